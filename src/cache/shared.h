/* SPDX-License-Identifier: MIT */
/* shared.h - a table of the script that all VMs of a node have in common: texts and numbers by key.
 *
 * Each operation is atomic. The table is bounded: the entry that was used longest ago makes room
 * for a new one. An entry may have a time to live. Any thread; one mutex a table, and no other lock
 * is taken under it. */
#ifndef SHARED_H
#define SHARED_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "cache/item.h"
#include "cache/lru.h"

struct shared;

/* The first byte of an item's value; behind it are the bytes of a text, or a double. */
enum { SHARED_TEXT = 't', SHARED_NUMBER = 'n' };

/* Copies the name. `bytes` bounds the entries with all their overhead. */
struct shared *shared_new(const char *name, uint64_t bytes);
void shared_free(struct shared *s); /* NULL is fine */
const char *shared_name(const struct shared *s);

/* A reference to the entry, or NULL. */
struct item *shared_get(struct shared *s, const struct key_ref *k);

/* Stores a text or a number (kind), of n bytes. ttl_ms 0: it has no end. Errors: TOOBIG, over an
 * eighth of the bound; NOMEM. In both cases the old entry stays. */
enum err shared_set(struct shared *s, const struct key_ref *k, int kind, const void *bytes,
                    size_t n, uint64_t ttl_ms, struct error *e);

/* 1: there was such an entry. */
int shared_remove(struct shared *s, const struct key_ref *k);

/* Adds `by` to a number, which keeps its end. Without an entry the number is `first` + `by`, and
 * has ttl_ms as for shared_set(). *out is the sum. INVAL: the entry is a text. */
enum err shared_incr(struct shared *s, const struct key_ref *k, double by, double first,
                     uint64_t ttl_ms, double *out, struct error *e);

void shared_stats(struct shared *s, struct lru_stats *out);

#endif
