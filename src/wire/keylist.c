/* SPDX-License-Identifier: MIT */
#include "wire/keylist.h"

#include <string.h>

#include "base/json_out.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "wire/json.h"

#define FORMS "a JSON list of strings, or {\"remove\": [...]}"

/* --- reading --- */

/* The names that may stand in front of a list. */
static const struct {
    const char *name;
    enum keylist_ask ask;
} asks[] = {
    {"remove", KEYLIST_REMOVE},
};

static enum err add_key(struct keylist *ks, size_t *room, const char *bytes, size_t n,
                        struct error *e)
{
    if (ks->n == *room) {
        size_t more = *room ? 2 * *room : 16;
        struct key *list = mem_realloc(ks->list, more * sizeof(*list));

        if (!list)
            return error_set(e, ERR_NOMEM, "no memory for %zu keys", more);
        ks->list = list;
        *room = more;
    }
    ks->list[ks->n++] = (struct key){bytes, n};
    return ERR_OK;
}

/* Fills e: why the reader found no string at its place. */
static enum err no_text(const struct json *j, const char *json, size_t nth, struct error *e)
{
    size_t at = (size_t)(j->at - json);

    if (j->flaw)
        return error_set(e, ERR_INVAL, "key %zu of the list has %s: see byte %zu of the body", nth,
                         j->flaw, at);
    return error_set(e, ERR_INVAL, "the body is not " FORMS ": see byte %zu of the body", at);
}

/* The strings up to the closing bracket. */
static enum err get_keys(struct json *j, const char *json, size_t max, size_t max_key_bytes,
                         struct keylist *out, struct error *e)
{
    size_t room = 0;

    if (json_char(j, ']'))
        return ERR_OK;
    do {
        size_t from = out->bytes.len, n;

        if (!json_text(j, &out->bytes))
            return no_text(j, json, out->n + 1, e);
        n = out->bytes.len - from;
        if (n > max_key_bytes)
            return error_set(e, ERR_INVAL,
                             "key %zu of the list has %zu bytes, max_key_bytes is %zu", out->n + 1,
                             n, max_key_bytes);
        if (!utf8_valid(out->bytes.data + from, n))
            return error_set(e, ERR_INVAL, "key %zu of the list is not UTF-8", out->n + 1);
        if (out->n == max)
            return error_set(e, ERR_INVAL, "the list has more than %zu keys", max);
        if (add_key(out, &room, out->bytes.data + from, n, e))
            return e->code;
    } while (json_char(j, ','));
    if (!json_char(j, ']'))
        return error_set(e, ERR_INVAL, "the list has no end: see byte %zu of the body",
                         (size_t)(j->at - json));
    return ERR_OK;
}

/* The name in front of the list, and its colon. */
static enum err get_name(struct json *j, struct keylist *out, struct error *e)
{
    enum { SHOWN = 40 };
    struct buf *name = &out->bytes;
    int whole = json_text(j, name), found = 0;
    size_t i;

    for (i = 0; whole && !found && i < sizeof(asks) / sizeof(asks[0]); i++) {
        found = name->len == strlen(asks[i].name) && !memcmp(name->data, asks[i].name, name->len);
        out->ask = found ? asks[i].ask : KEYLIST_GET;
    }
    if (whole && !found)
        return error_set(e, ERR_INVAL, "the body has a list named \"%.*s\": it may be " FORMS,
                         (int)(name->len < SHOWN ? name->len : SHOWN), name->data);
    name->len = 0;
    if (!whole || !json_char(j, ':'))
        return error_set(e, ERR_INVAL, "the body is not " FORMS);
    return ERR_OK;
}

enum err keylist_decode(const char *json, size_t n, size_t max, size_t max_key_bytes,
                        struct keylist *out, struct error *e)
{
    struct json j = {.at = json, .end = json + n};
    int has_name;

    memset(out, 0, sizeof(*out));
    buf_init(&out->bytes, 0);
    /* A string's text is never longer than its JSON, so the buffer never moves under the keys. */
    if (buf_reserve(&out->bytes, n + 1))
        return error_set(e, ERR_NOMEM, "no memory for a list of %zu bytes", n);
    has_name = json_char(&j, '{');
    if (has_name && get_name(&j, out, e))
        return e->code;
    if (!json_char(&j, '['))
        return error_set(e, ERR_INVAL, "the body is not " FORMS);
    if (get_keys(&j, json, max, max_key_bytes, out, e))
        return e->code;
    if ((has_name && !json_char(&j, '}')) || j.at != j.end)
        return error_set(e, ERR_INVAL, "there is text behind the list: see byte %zu of the body",
                         (size_t)(j.at - json));
    return ERR_OK;
}

void keylist_deinit(struct keylist *ks)
{
    mem_free(ks->list);
    buf_deinit(&ks->bytes);
    ks->list = NULL;
    ks->n = 0;
}

/* --- writing --- */

/* RFC 4648, 4. */
static void put_base64(struct buf *out, const unsigned char *s, size_t n)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t i;
    char *at;

    if (buf_reserve(out, (n + 2) / 3 * 4))
        return;
    at = out->data + out->len;
    for (i = 0; i < n; i += 3) {
        unsigned long three = (unsigned long)s[i] << 16;

        three |= i + 1 < n ? (unsigned long)s[i + 1] << 8 : 0;
        three |= i + 2 < n ? s[i + 2] : 0;
        *at++ = digits[three >> 18];
        *at++ = digits[three >> 12 & 63];
        *at++ = i + 1 < n ? digits[three >> 6 & 63] : '=';
        *at++ = i + 2 < n ? digits[three & 63] : '=';
    }
    out->len = (size_t)(at - out->data);
}

enum err keylist_put_begin(struct buf *out)
{
    return buf_puts(out, "{\"results\":[");
}

static void begin_result(struct json_out *j, struct buf *out, int first, const struct key *key)
{
    if (!first)
        buf_puts(out, ",\n");
    json_out_begin(j, out, '{');
    json_out_bytes(j, "key", key->bytes, key->n, JSON_OUT_UTF8);
}

static void begin_value(struct buf *out, int first, const struct key *key, const void *value,
                        size_t n, struct keylist_part *part)
{
    struct json_out j;

    begin_result(&j, out, first, key);
    part->begun = 1;
    part->is_text = utf8_is_text(value, n);
    json_out_raw(&j, part->is_text ? "value" : "base64", "\"", 1);
}

int keylist_put_value(struct buf *out, int first, const struct key *key, const void *value,
                      size_t n, const char *source, struct keylist_part *part, size_t most)
{
    size_t left = n - part->done, some = left <= most ? left : most - most % 3;

    if (!part->begun)
        begin_value(out, first, key, value, n, part);
    if (part->is_text)
        json_out_chars(out, (const char *)value + part->done, some, JSON_OUT_UTF8);
    else
        put_base64(out, (const unsigned char *)value + part->done, some);
    part->done += some;
    if (some < left && !out->failed)
        return 0;
    buf_puts(out, "\",\"source\":");
    json_out_string(out, source, strlen(source), JSON_OUT_BYTES);
    buf_puts(out, "}");
    return 1;
}

enum err keylist_put_error(struct buf *out, int first, const struct key *key, const struct error *e)
{
    struct json_out j;

    begin_result(&j, out, first, key);
    json_out_error(&j, e);
    json_out_close(&j);
    return out->failed;
}

enum err keylist_put_end(struct buf *out)
{
    return buf_puts(out, "]}\n");
}
