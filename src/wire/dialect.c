/* SPDX-License-Identifier: MIT */
#include "wire/dialect.h"

#include <string.h>

#include "base/pct.h"
#include "base/url.h"

#define BIT(x) (1u << (x))

/* Go's HashFn returns 32 bits in the original, 64 in the forks, which widen a narrower hash. */
enum {
    HASHES_32 = BIT(HASH_CRC32) | BIT(HASH_FNV1_32) | BIT(HASH_FNV1A_32),
    HASHES_64 = BIT(HASH_FNV1_64) | BIT(HASH_FNV1A_64) | BIT(HASH_CRC32)
};

static const struct dialect_facts facts[DIALECT_COUNT] = {
    [DIALECT_GOLANG] =
        {
            .name = "golang",
            .hash = HASH_CRC32,
            .hashes = HASHES_32,
            .plus_is_space = 1, /* its clients write a space as '+' and a plus as %2B */
            .verbs = BIT(DIALECT_GET),
            .other_methods_get = 1,
            .not_found_status = 500,
            .failed_status = 500,
            .no_group_status = 404,
            .minute_qps = 1,
        },
    [DIALECT_MAILGUN] =
        {
            .name = "mailgun",
            .hash = HASH_FNV1_64,
            .hashes = HASHES_64,
            .md5_points = 1,
            .verbs = BIT(DIALECT_GET) | BIT(DIALECT_SET) | BIT(DIALECT_REMOVE),
            .other_methods_get = 1,
            .not_found_status = 404,
            .failed_status = 503,
            .no_group_status = 500, /* Go answers 404, which its callers read as "no such value" */
            .minute_qps = 1,
            .expire_field = 3,
            .refuses_expired = 1,
        },
    [DIALECT_GROUPCACHE_GO] =
        {
            .name = "groupcache-go",
            .hash = HASH_FNV1_64,
            .hashes = HASHES_64,
            .md5_points = 1,
            .bare_peers = 1,
            .verbs = BIT(DIALECT_GET) | BIT(DIALECT_SET) | BIT(DIALECT_REMOVE) |
                     BIT(DIALECT_REMOVE_KEYS),
            .not_found_status = 404,
            .failed_status = 503,
            .no_group_status = 500, /* Go's handler panics there, and the connection ends */
            .minute_qps = 1,
            .expire_field = 3,
        },
    [DIALECT_MODERNPROGRAM] =
        {
            .name = "modernprogram",
            .hash = HASH_FNV1_64,
            .hashes = HASHES_64,
            .md5_points = 1,
            .verbs = BIT(DIALECT_GET) | BIT(DIALECT_SET) | BIT(DIALECT_REMOVE),
            .other_methods_get = 1,
            .get_may_have_body = 1,
            .not_found_status = 404,
            .failed_status = 503,
            .no_group_status = 500, /* as mailgun */
            .expire_field = 2,
            .refuses_expired = 1,
        },
};

static const char *const methods[DIALECT_VERBS] = {
    [DIALECT_GET] = "GET",
    [DIALECT_SET] = "PUT",
    [DIALECT_REMOVE] = "DELETE",
    [DIALECT_REMOVE_KEYS] = "POST",
};

const struct dialect_facts *dialect_facts(enum dialect d)
{
    return &facts[d];
}

const char *dialect_name(enum dialect d)
{
    return facts[d].name;
}

int dialect_from_name(const char *name)
{
    int d;

    for (d = 0; d < DIALECT_COUNT; d++) {
        if (strcmp(facts[d].name, name) == 0)
            return d;
    }
    return -1;
}

const char *dialect_ring_name(enum dialect d, const char *url)
{
    return facts[d].bare_peers ? url_without_scheme(url) : url;
}

/* --- requests --- */

enum dialect_parse dialect_parse(enum dialect d, const char *path, size_t n, char *scratch,
                                 struct dialect_target *out)
{
    const char *slash = memchr(path, '/', n);
    int plus_is_space = facts[d].plus_is_space;
    ssize_t group_len, key_len;
    size_t head;

    if (!slash) {
        group_len = pct_decode(scratch, path, n, plus_is_space);
        *out = (struct dialect_target){.group = scratch, .group_len = (size_t)group_len};
        return group_len < 0 ? DIALECT_BAD_ESCAPE : DIALECT_NO_KEY;
    }
    head = (size_t)(slash - path);
    group_len = pct_decode(scratch, path, head, plus_is_space);
    key_len = pct_decode(scratch + head, slash + 1, n - head - 1, plus_is_space);
    if (group_len < 0 || key_len < 0)
        return DIALECT_BAD_ESCAPE;
    out->group = scratch;
    out->group_len = (size_t)group_len;
    out->key = scratch + head;
    out->key_len = (size_t)key_len;
    return DIALECT_OK;
}

enum err dialect_put_group(struct buf *out, const char *group, size_t group_len)
{
    return pct_encode(out, group, group_len);
}

enum err dialect_put_target(struct buf *out, const char *group, size_t group_len, const void *key,
                            size_t key_len)
{
    pct_encode(out, group, group_len);
    buf_put(out, "/", 1);
    return pct_encode(out, key, key_len);
}

static const char remove_keys[] = "_remove-keys/";

enum err dialect_put_remove_keys_target(struct buf *out, const char *group, size_t group_len)
{
    pct_encode(out, group, group_len);
    buf_put(out, "/", 1);
    return buf_puts(out, remove_keys);
}

int dialect_is_remove_keys(const struct dialect_target *t)
{
    return t->key_len == strlen(remove_keys) && memcmp(t->key, remove_keys, t->key_len) == 0;
}

uint64_t dialect_request_id(const char *group, size_t group_len, const void *asked, size_t n)
{
    return hash_sip13(asked, n, hash_fnv1a_64(group, group_len), 0);
}

void dialect_id_text(uint64_t request_id, char out[DIALECT_ID_BYTES])
{
    static const char hex[] = "0123456789abcdef";
    int i;

    for (i = DIALECT_ID_BYTES - 2; i >= 0; i--, request_id >>= 4)
        out[i] = hex[request_id & 15];
    out[DIALECT_ID_BYTES - 1] = '\0';
}

enum err dialect_put_echo(struct buf *out, uint64_t request_id)
{
    char id[DIALECT_ID_BYTES];

    dialect_id_text(request_id, id);
    buf_puts(out, HEADER_KEY ": ");
    buf_puts(out, id);
    return buf_put(out, "", 1);
}

int dialect_verb(enum dialect d, const char *method)
{
    int v;

    for (v = 0; v < DIALECT_VERBS; v++) {
        if (facts[d].verbs & BIT(v) && strcmp(methods[v], method) == 0)
            return v;
    }
    return facts[d].other_methods_get ? DIALECT_GET : -1;
}

const char *dialect_method(enum dialect d, enum dialect_verb verb)
{
    return facts[d].verbs & BIT(verb) ? methods[verb] : NULL;
}

/* --- answers --- */

int dialect_status(enum dialect d, enum err code)
{
    switch (code) {
    case ERR_INVAL:
        return 400;
    case ERR_NOTFOUND:
        return facts[d].not_found_status;
    case ERR_GETTER:
    case ERR_PEER: /* a server that the getter asked */
    case ERR_TOOBIG:
    case ERR_CYCLE:
        return facts[d].failed_status;
    default:
        return 500;
    }
}

/* The beginnings of answers that say something of the node and not of the key, although their
 * status says the opposite. They come from a Go node without the group; from Go's ServeMux and our
 * server, when base_path differs; from modernprogram, when its list of peers differs. Go's own
 * callers take them for final. */
static const struct {
    int status;
    const char *text;
} of_the_node[] = {
    {404, "no such group: "},
    {404, "404 page not found"},
    {404, "{\"error\":\"there is nothing at this path\""},
    {503, "further crosstalk refused"},
};

static int is_of_the_node(int status, const char *text, size_t n)
{
    size_t i, len;

    for (i = 0; i < sizeof(of_the_node) / sizeof(of_the_node[0]); i++) {
        len = strlen(of_the_node[i].text);
        if (of_the_node[i].status == status && n >= len &&
            memcmp(text, of_the_node[i].text, len) == 0)
            return 1;
    }
    return 0;
}

enum dialect_word dialect_word(enum dialect d, int status, const char *code_name, const char *text,
                               size_t n, enum err *code)
{
    if (status == 200)
        return DIALECT_VALUE;
    if (code_name)
        *code = err_from_name(code_name);
    else if (status == facts[d].not_found_status && status != 500)
        *code = ERR_NOTFOUND;
    else if (status == facts[d].failed_status && status != 500)
        *code = ERR_GETTER;
    else
        return DIALECT_UNUSABLE;
    if (!err_is_final(*code) || (!code_name && is_of_the_node(status, text, n)))
        return DIALECT_UNUSABLE;
    return DIALECT_LAST_WORD;
}
