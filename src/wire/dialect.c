/* SPDX-License-Identifier: MIT */
#include "wire/dialect.h"

#include <string.h>

#include "base/pct.h"

static const char *const names[DIALECT_COUNT] = {"golang"};

const char *dialect_name(enum dialect d)
{
    return names[d];
}

int dialect_from_name(const char *name)
{
    int d;

    for (d = 0; d < DIALECT_COUNT; d++) {
        if (strcmp(names[d], name) == 0)
            return d;
    }
    return -1;
}

enum dialect_parse dialect_parse(enum dialect d, const char *path, size_t n, char *scratch,
                                 struct dialect_target *out)
{
    const char *slash = memchr(path, '/', n);
    /* Go's original client writes a space as '+' and a plus as %2B, so a raw '+' is a space. */
    int plus_is_space = d == DIALECT_GOLANG;
    ssize_t group_len, key_len;
    size_t head;

    if (!slash)
        return pct_decode(scratch, path, n, 0) < 0 ? DIALECT_BAD_ESCAPE : DIALECT_NO_KEY;
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

enum err dialect_put_target(struct buf *out, const char *group, size_t group_len, const void *key,
                            size_t key_len)
{
    pct_encode(out, group, group_len);
    buf_put(out, "/", 1);
    return pct_encode(out, key, key_len);
}

int dialect_status(enum dialect d, enum err code)
{
    (void)d;
    /* The original has one status for every failed load; a malformed request never gets so far. */
    return code == ERR_INVAL ? 400 : 500;
}
