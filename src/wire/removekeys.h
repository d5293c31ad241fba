/* SPDX-License-Identifier: MIT */
/* removekeys.h - RemoveKeysRequest: the body of groupcache-go's POST, many keys of one group.
 *
 * It is JSON, {"group":"g","keys":["a","b"]}, as Go's encoding/json writes it. It cannot hold bytes
 * that are not UTF-8, so such keys are removed one by one. A Go node that sends such a key sends
 * U+FFFD in place of the bytes, which is a key like others here.
 *
 * An escape of half a surrogate pair is refused. Go's decoder reads it as U+FFFD, but Go's encoder
 * never writes it. So its writer means another key, which would stay although its removal is
 * confirmed. Raw bytes that are not UTF-8 mean the key with these bytes. When "keys" is repeated,
 * the last one counts, as in Go.
 *
 * Pure functions, any thread. */
#ifndef REMOVEKEYS_H
#define REMOVEKEYS_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/key.h"

/* Whether the JSON can hold a group's name or a key: its bytes are UTF-8. */
int removekeys_can_say(const char *bytes, size_t n);

/* Appends the body. The JSON must be able to hold the group and the keys. Returns out->failed. */
enum err removekeys_put(struct buf *out, const char *group, size_t group_len,
                        const struct key *keys, size_t n);

/* Appends the keys of a body to `keys`, to be read by removekeys_next(). The group is taken from
 * the path, and other members are skipped. ERR_INVAL: it is no such JSON; ERR_NOMEM, ERR_TOOBIG: as
 * in the buf. After a failure the content of `keys` is undefined. */
enum err removekeys_decode(const char *bytes, size_t n, struct buf *keys, struct error *e);

/* The next key; it borrows the buf. *at is 0 at first. Returns 0 when there are no more. */
int removekeys_next(const struct buf *keys, size_t *at, struct key *out);

#endif
