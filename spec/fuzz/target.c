/* SPDX-License-Identifier: MIT */
/* target.c - the path of a request: percent-encoding (base/pct), and group and key of a target
 * (wire/dialect). A key that one node encodes is the key that each node decodes. */
#include "base/buf.h"
#include "base/pct.h"
#include "fuzz.h"
#include "wire/dialect.h"

static void decodes_back(const char *group, size_t group_len, const char *key, size_t key_len)
{
    struct dialect_target t;
    struct buf path;
    char *scratch;
    int d;

    buf_init(&path, 0);
    HOLDS(!dialect_put_target(&path, group, group_len, key, key_len));
    scratch = malloc(path.len + 1);
    for (d = 0; d < DIALECT_COUNT; d++) {
        HOLDS(dialect_parse((enum dialect)d, path.data, path.len, scratch, &t) == DIALECT_OK);
        HOLDS(t.group_len == group_len && !memcmp(t.group, group, group_len));
        HOLDS(t.key_len == key_len && !memcmp(t.key, key, key_len));
    }
    free(scratch);
    buf_deinit(&path);
}

FUZZ_TARGET
{
    struct fuzz in = {data, size};
    enum dialect d = (enum dialect)(fuzz_byte(&in) % DIALECT_COUNT);
    struct dialect_target t;
    size_t n;
    char *path = fuzz_bytes(&in, in.left, &n), *scratch = malloc(n ? n : 1);
    ssize_t decoded = pct_decode(scratch, path, n, d != DIALECT_GOLANG);

    HOLDS(decoded >= -1 && decoded <= (ssize_t)n);
    if (dialect_parse(d, path, n, scratch, &t) == DIALECT_OK) {
        HOLDS(t.group_len + t.key_len < n);
        decodes_back(t.group, t.group_len, t.key, t.key_len);
    }
    decodes_back(path, n / 2, path + n / 2, n - n / 2); /* any bytes may be a key */
    free(scratch);
    free(path);
    return 0;
}
