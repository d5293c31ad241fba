/* SPDX-License-Identifier: MIT */
#include "cache/tags.h"

#include <string.h>

#include "base/mem.h"

enum { FIRST_SLOTS = 64, HASH_BYTES = 4 };

static const char key_head[] = {0, 't', 'a', 'g', 0};

_Static_assert(sizeof(key_head) + HASH_BYTES == TAGS_KEY, "a tag's key is its head and its hash");

void tags_init(struct tags *t)
{
    memset(t, 0, sizeof(*t));
}

void tags_deinit(struct tags *t)
{
    mem_free(t->slots);
    tags_init(t);
}

/* The tag's slot, or the free one for it. There is a free slot. */
static struct tags_slot *find(const struct tags *t, uint32_t hash)
{
    size_t i = hash * 0x9e3779b1u & (t->cap - 1); /* Knuth, 6.4 */

    while (t->slots[i].number && t->slots[i].hash != hash)
        i = (i + 1) & (t->cap - 1);
    return &t->slots[i];
}

/* Moves the removals behind the floor into a new table. 0: no memory, nothing has changed. */
static int rebuild(struct tags *t, size_t cap)
{
    struct tags_slot *old = t->slots, *fresh = mem_alloc(cap * sizeof(*fresh));
    size_t old_cap = t->cap, i;

    if (!fresh)
        return 0;
    memset(fresh, 0, cap * sizeof(*fresh));
    t->slots = fresh;
    t->cap = cap;
    t->n = 0;
    for (i = 0; i < old_cap; i++) {
        if (old[i].number <= t->floor)
            continue;
        *find(t, old[i].hash) = old[i];
        t->n++;
    }
    mem_free(old);
    return 1;
}

/* Makes the table half empty. The numbers of tags that were removed again leave gaps, so the middle
 * of the numbers may not be that of the removals. */
static int forget_older(struct tags *t)
{
    do {
        t->floor += (t->last - t->floor + 1) / 2;
        if (!rebuild(t, t->cap))
            return 0;
    } while (t->n > TAGS_MOST / 2);
    return 1;
}

/* At least a half of the slots stays free. */
static int make_room(struct tags *t)
{
    if (t->n == TAGS_MOST)
        return forget_older(t);
    if (t->n * 2 < t->cap)
        return 1;
    return rebuild(t, t->cap ? t->cap * 2 : FIRST_SLOTS);
}

void tags_remove(struct tags *t, uint32_t hash)
{
    struct tags_slot *s;

    t->last++;
    if (!make_room(t)) {
        t->floor = t->last;
        return;
    }
    s = find(t, hash);
    t->n += s->number ? 0 : 1;
    *s = (struct tags_slot){t->last, hash};
}

uint64_t tags_removed(const struct tags *t, const uint32_t *hashes, size_t n, uint64_t began)
{
    uint64_t first = 0;
    size_t i;

    if (began < t->floor)
        return began + 1; /* perhaps */
    for (i = 0; i < n && t->cap; i++) {
        const struct tags_slot *s = find(t, hashes[i]);

        if (s->number > began && (!first || s->number < first))
            first = s->number;
    }
    return first;
}

void tags_key(char out[TAGS_KEY], uint32_t hash)
{
    size_t i;

    memcpy(out, key_head, sizeof(key_head));
    for (i = 0; i < HASH_BYTES; i++, hash >>= 8)
        out[sizeof(key_head) + i] = (char)(hash & 0xff);
}

int tags_is_key(const void *key, size_t n, uint32_t *hash)
{
    const unsigned char *at = (const unsigned char *)key + sizeof(key_head);
    size_t i;

    if (n != TAGS_KEY || memcmp(key, key_head, sizeof(key_head)) != 0)
        return 0;
    *hash = 0;
    for (i = HASH_BYTES; i > 0; i--)
        *hash = *hash << 8 | at[i - 1];
    return 1;
}
