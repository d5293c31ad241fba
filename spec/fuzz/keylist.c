/* SPDX-License-Identifier: MIT */
/* keylist.c - a client's list of keys (wire/keylist), and JSON in general (wire/json). What was
 * read and is written again is read as the same keys. */
#include "wire/keylist.h"
#include "base/json_out.h"
#include "fuzz.h"
#include "wire/json.h"

enum { MOST = 100, MOST_BYTES = 64 };

static void put_list(struct buf *out, const struct keylist *ks)
{
    size_t i;

    buf_puts(out, ks->ask == KEYLIST_REMOVE ? "{\"remove\":[" : "[");
    for (i = 0; i < ks->n; i++) {
        if (i)
            buf_puts(out, ",");
        json_out_string(out, ks->list[i].bytes, ks->list[i].n, JSON_OUT_UTF8);
    }
    buf_puts(out, ks->ask == KEYLIST_REMOVE ? "]}" : "]");
}

FUZZ_TARGET
{
    struct fuzz in = {data, size};
    struct keylist ks, again;
    struct error e;
    struct buf out;
    size_t n, i;
    char *text = fuzz_bytes(&in, in.left, &n);
    struct json j = {text, text + n, NULL};

    buf_init(&out, 0);
    json_skip(&j);
    HOLDS(j.at >= text && j.at <= text + n);
    if (!keylist_decode(text, n, MOST, MOST_BYTES, &ks, &e)) {
        HOLDS(ks.n <= MOST);
        put_list(&out, &ks);
        HOLDS(!keylist_decode(out.data, out.len, MOST, MOST_BYTES, &again, &e));
        HOLDS(again.n == ks.n && again.ask == ks.ask);
        for (i = 0; i < ks.n; i++) {
            HOLDS(ks.list[i].n <= MOST_BYTES && ks.list[i].n == again.list[i].n);
            HOLDS(!memcmp(ks.list[i].bytes, again.list[i].bytes, ks.list[i].n));
        }
        keylist_deinit(&again);
    } else {
        HOLDS(e.code == ERR_INVAL);
    }
    keylist_deinit(&ks);
    buf_deinit(&out);
    free(text);
    return 0;
}
