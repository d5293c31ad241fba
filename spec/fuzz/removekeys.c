/* SPDX-License-Identifier: MIT */
/* removekeys.c - a Go node's list of keys to be removed (wire/removekeys). */
#include "wire/removekeys.h"
#include "fuzz.h"

/* Keys that the JSON can hold are the same after they were sent. */
static void survive(const struct buf *keys)
{
    struct buf body, read;
    struct key list[64], key;
    struct error e;
    size_t at = 0, n = 0, i;

    while (n < 64 && removekeys_next(keys, &at, &list[n]))
        n += (size_t)removekeys_can_say(list[n].bytes, list[n].n);
    buf_init(&body, 0);
    buf_init(&read, 0);
    HOLDS(!removekeys_put(&body, "g", 1, list, n));
    HOLDS(!removekeys_decode(body.data, body.len, &read, &e));
    for (i = 0, at = 0; removekeys_next(&read, &at, &key); i++)
        HOLDS(i < n && key.n == list[i].n && !memcmp(key.bytes, list[i].bytes, key.n));
    HOLDS(i == n);
    buf_deinit(&body);
    buf_deinit(&read);
}

FUZZ_TARGET
{
    struct fuzz in = {data, size};
    struct buf keys;
    struct error e;
    size_t n;
    char *text = fuzz_bytes(&in, in.left, &n);

    buf_init(&keys, 0);
    if (!removekeys_decode(text, n, &keys, &e))
        survive(&keys);
    else
        HOLDS(e.code == ERR_INVAL);
    buf_deinit(&keys);
    free(text);
    return 0;
}
