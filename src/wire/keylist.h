/* SPDX-License-Identifier: MIT */
/* keylist.h - a client's list of keys of a group, and the answer, both JSON.
 *
 *   ["a", "b", "c"]                 gets these keys
 *   {"remove": ["a", "b", "c"]}     removes them
 *
 * The answer to a get:
 *
 *   {"results":[{"key":"a","value":"text","source":"main"},
 *               {"key":"b","base64":"AAE=","source":"local"},
 *               {"key":"c","error":"group g: not found","code":"NOTFOUND"}]}
 *
 * JSON is text: a key is the UTF-8 of its string, so a key that is not UTF-8 cannot be in a list.
 * Wrong text is refused and never repaired, since two keys could become one. Wrong are raw bytes
 * that are not UTF-8 (overlong forms and encoded surrogates too), and an escape of half a surrogate
 * pair. "\u0000" is a byte like others. A value that is not text (utf8_is_text()) is sent as
 * base64.
 *
 * Pure functions, any thread. */
#ifndef KEYLIST_H
#define KEYLIST_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "wire/batch.h"

/* What is to be done with the keys: the name in front of a list says so. */
enum keylist_ask {
    KEYLIST_GET, /* a list without a name */
    KEYLIST_REMOVE
};

struct keylist {
    enum keylist_ask ask;
    struct key *list; /* owned, like the bytes that its keys borrow */
    size_t n;
    struct buf bytes;
};

/* INVAL: not such a list, an unknown name, over max keys, or a key over max_key_bytes; NOMEM.
 * keylist_deinit() must follow in any case. */
enum err keylist_decode(const char *json, size_t n, size_t max, size_t max_key_bytes,
                        struct keylist *out, struct error *e);
void keylist_deinit(struct keylist *ks);

/* How much of a result with a value is appended; all 0 at its begin. */
struct keylist_part {
    size_t done; /* bytes of the value */
    int begun;
    int is_text;
};

/* Append the answer: the begin, then the results in the order of the keys, then the end. `first` is
 * 1 for the first result. keylist_put_value() appends some `most` bytes of the value and returns 0
 * if more are left: it is to be called again with the same arguments. */
enum err keylist_put_begin(struct buf *out);
int keylist_put_value(struct buf *out, int first, const struct key *key, const void *value,
                      size_t n, const char *source, struct keylist_part *part, size_t most);
enum err keylist_put_error(struct buf *out, int first, const struct key *key,
                           const struct error *e);
enum err keylist_put_end(struct buf *out);

#endif
