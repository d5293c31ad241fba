/* SPDX-License-Identifier: MIT */
/* tags.h - which tags of a group's values were removed last, and when.
 *
 * A removal of a tag looks at no item. It gets the next number of a count, and the table has the
 * number of each tag's last removal. An item has the number that was the last one when its load
 * began. If one of its tags has a later number, the item is removed when it is next looked at.
 *
 * The table has a bound. When it is full, the older half of the removals is forgotten, and every
 * item with tags that is older than these counts as removed: that costs loads. A tag is a hash
 * (extra.h).
 *
 * A tag is also a key of a special form, by which nodes tell each other of its removal, and which
 * the logs of changes have. One thread at a time: guarded by the group's mutex. */
#ifndef TAGS_H
#define TAGS_H

#include <stddef.h>
#include <stdint.h>

enum {
    TAGS_MOST = 16384, /* removals that are known, at most */
    TAGS_KEY = 9       /* bytes of a tag as a key */
};

struct tags_slot {
    uint64_t number; /* of the last removal; 0: the slot is free */
    uint32_t hash;
};

struct tags {
    uint64_t last;  /* the number of the last removal; 0: none yet */
    uint64_t floor; /* removals up to this number are forgotten */
    struct tags_slot *slots;
    size_t n, cap; /* slots in use, and all: a power of two, or 0 */
};

void tags_init(struct tags *t);
void tags_deinit(struct tags *t);

/* The tag is removed now. Without memory, all tags are. O(1) on average. */
void tags_remove(struct tags *t, uint32_t hash);

/* The number of the first known removal of one of these tags behind `began`. 0: there is none. */
uint64_t tags_removed(const struct tags *t, const uint32_t *hashes, size_t n, uint64_t began);

/* The key that stands for a tag; and whether a key is one. */
void tags_key(char out[TAGS_KEY], uint32_t hash);
int tags_is_key(const void *key, size_t n, uint32_t *hash);

#endif
