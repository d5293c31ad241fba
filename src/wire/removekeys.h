/* SPDX-License-Identifier: MIT */
/* removekeys.h - RemoveKeysRequest: the body of groupcache-go's POST, many keys of one group.
 *
 * It is JSON, {"group":"g","keys":["a","b"]}, as Go's encoding/json writes it: bytes that are no
 * UTF-8 cannot be said in it, and such keys are removed one by one. A Go node that tries sends
 * U+FFFD in their place, which is a key like others here.
 *
 * An escape of half a surrogate pair is refused. Go's decoder takes it for U+FFFD, but no encoder
 * of Go's writes one: whoever does means another key, which would stay while its removal is
 * confirmed. Raw bytes that are no UTF-8 are the key that has these bytes. Of several members
 * "keys" the last counts, as in Go.
 *
 * Pure functions, any thread. */
#ifndef REMOVEKEYS_H
#define REMOVEKEYS_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/key.h"

/* Whether the JSON can hold these bytes, a group's name or a key: they are UTF-8. */
int removekeys_can_say(const char *bytes, size_t n);

/* Appends the body. Group and keys are such that the JSON can hold them. Returns out->failed. */
enum err removekeys_put(struct buf *out, const char *group, size_t group_len,
                        const struct key *keys, size_t n);

/* Appends the keys of a body to `keys`, to be read by removekeys_next(). The group counts as the
 * path has it, and other members are stepped over. ERR_INVAL for what is no such JSON; ERR_NOMEM,
 * ERR_TOOBIG as the buf says. What is in `keys` after a failure means nothing. */
enum err removekeys_decode(const char *bytes, size_t n, struct buf *keys, struct error *e);

/* The next key. *at is 0 at first. 0 when there is none; the key borrows the buf. */
int removekeys_next(const struct buf *keys, size_t *at, struct key *out);

#endif
