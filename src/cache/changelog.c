/* SPDX-License-Identifier: MIT */
#include "cache/changelog.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"

enum {
    FIRST_ROOM = 64,
    SHARE = 32,       /* of cache_bytes that the log may take: 1 in so many */
    KEY_OVERHEAD = 32 /* of the allocation of a key */
};

uint64_t changelog_group(const char *group)
{
    return hash_murmur64(group, strlen(group));
}

uint64_t changelog_name(uint64_t group, const void *key, size_t n)
{
    uint64_t both[2] = {group, hash_murmur64(key, n)};

    return hash_murmur64(both, sizeof(both));
}

size_t changelog_bound(uint64_t cache_bytes)
{
    uint64_t share = cache_bytes / SHARE;

    if (share > CHANGELOG_BYTES)
        return CHANGELOG_BYTES;
    return share < CHANGELOG_LEAST_BYTES ? CHANGELOG_LEAST_BYTES : (size_t)share;
}

void changelog_init(struct changelog *l, uint64_t group)
{
    *l = (struct changelog){.group = group, .began_boot_ms = clock_boot_ms()};
}

/* --- the ring --- */

static struct changelog_note *note_at(const struct changelog *l, uint64_t i)
{
    return &l->ring[i & (l->room - 1)];
}

static uint64_t *head_of(const struct changelog *l, uint64_t name)
{
    return &l->heads[name & (l->room - 1)];
}

static size_t cost(size_t n)
{
    return sizeof(struct changelog_note) + sizeof(uint64_t) + n + KEY_OVERHEAD;
}

static void drop_oldest(struct changelog *l)
{
    struct changelog_note *note = note_at(l, l->first++);

    l->bytes -= cost(note->n);
    l->lost_ms = note->at_ms;
    l->lost_boot_ms = note->boot_ms;
    mem_free(note->key);
}

static void forget(struct changelog *l)
{
    while (l->first < l->next)
        drop_oldest(l);
    mem_free(l->ring);
    mem_free(l->heads);
    l->ring = NULL;
    l->heads = NULL;
    l->room = 0;
}

void changelog_deinit(struct changelog *l)
{
    forget(l);
}

/* All that is known is that something was changed. */
static void lose_all(struct changelog *l)
{
    forget(l);
    l->lost_ms = clock_ms();
    l->lost_boot_ms = clock_boot_ms();
}

static void add_to_bucket(struct changelog *l, uint64_t i)
{
    struct changelog_note *note = note_at(l, i);
    uint64_t *head = head_of(l, note->name);

    note->has_older = *head != 0;
    note->older = *head ? *head - 1 : 0;
    *head = i + 1;
}

/* Makes room for a note more. 0: there is no memory. */
static int grow(struct changelog *l)
{
    struct changelog old = *l;
    uint64_t i;

    l->room = old.room ? 2 * old.room : FIRST_ROOM;
    l->ring = mem_alloc(l->room * sizeof(*l->ring));
    l->heads = mem_alloc(l->room * sizeof(*l->heads));
    if (!l->ring || !l->heads) {
        mem_free(l->ring);
        mem_free(l->heads);
        *l = old;
        return 0;
    }
    memset(l->heads, 0, l->room * sizeof(*l->heads));
    for (i = l->first; i < l->next; i++) {
        *note_at(l, i) = *note_at(&old, i);
        add_to_bucket(l, i);
    }
    mem_free(old.ring);
    mem_free(old.heads);
    return 1;
}

static void put(struct changelog *l, enum change_kind kind, uint64_t name, char *key, size_t n)
{
    *note_at(l, l->next) = (struct changelog_note){.name = name,
                                                   .at_ms = clock_ms(),
                                                   .boot_ms = clock_boot_ms(),
                                                   .key = key,
                                                   .n = (uint32_t)n,
                                                   .kind = kind};
    add_to_bucket(l, l->next++);
    l->bytes += cost(n);
}

/* --- notes --- */

void changelog_note_key(struct changelog *l, uint64_t name, const void *key, size_t n, size_t bound)
{
    char *copy = cost(n) <= bound ? mem_alloc(n + 1) : NULL;

    if (!copy) {
        lose_all(l);
        return;
    }
    while (l->first < l->next &&
           (l->next - l->first == CHANGELOG_NOTES || l->bytes + cost(n) > bound))
        drop_oldest(l);
    if (l->next - l->first == l->room && !grow(l)) {
        mem_free(copy);
        lose_all(l);
        return;
    }
    if (n)
        memcpy(copy, key, n);
    put(l, CHANGE_OF_KEY, name, copy, n);
}

/* What was lost before it does not matter any more: it is in this change. */
void changelog_note_all(struct changelog *l)
{
    uint64_t lost_ms = l->lost_ms, lost_boot_ms = l->lost_boot_ms;

    forget(l);
    if (!grow(l)) {
        lose_all(l);
        return;
    }
    l->lost_ms = lost_ms;
    l->lost_boot_ms = lost_boot_ms;
    put(l, CHANGE_OF_ALL, l->group, NULL, 0);
}

/* --- questions --- */

static int has_named(const struct changelog *l, uint64_t name, uint64_t since_ms)
{
    uint64_t head = l->room ? *head_of(l, name) : 0, i = head - 1;

    while (head && i >= l->first) {
        const struct changelog_note *note = note_at(l, i);

        if (note->at_ms < since_ms)
            return 0;
        if (note->name == name)
            return 1;
        if (!note->has_older)
            return 0;
        i = note->older;
    }
    return 0;
}

int changelog_has(const struct changelog *l, uint64_t name, uint64_t since_ms)
{
    return (l->lost_ms && l->lost_ms >= since_ms) || has_named(l, name, since_ms) ||
           has_named(l, l->group, since_ms);
}

int changelog_keys(const struct changelog *l, uint64_t since_ms, struct buf *out)
{
    uint64_t i;

    if (l->lost_ms && l->lost_ms >= since_ms)
        return 0;
    for (i = l->first; i < l->next; i++) {
        const struct changelog_note *note = note_at(l, i);
        size_t n = note->n;

        if (note->at_ms < since_ms)
            continue;
        if (note->kind == CHANGE_OF_ALL)
            return 0;
        buf_put(out, (const char *)&n, sizeof(n));
        buf_put(out, note->key, n);
    }
    return !out->failed;
}

int changelog_names(const struct changelog *l, uint64_t since_boot_ms, struct buf *out)
{
    uint64_t i;

    for (i = l->first; i < l->next; i++) {
        const struct changelog_note *note = note_at(l, i);

        if (note->boot_ms >= since_boot_ms)
            buf_put(out, (const char *)&note->name, sizeof(note->name));
    }
    return !(l->lost_boot_ms && l->lost_boot_ms >= since_boot_ms) && !out->failed;
}
