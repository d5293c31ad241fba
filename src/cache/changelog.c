/* SPDX-License-Identifier: MIT */
#include "cache/changelog.h"

#include <pthread.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"

struct changelog {
    pthread_mutex_t mu;
    struct changelog_notes *notes; /* guarded by mu; NULL before the first note */
    struct changelog_notes *own;   /* the same, to be freed; or NULL */
    uint64_t began_ms;             /* set once */
};

struct changelog *changelog_new(struct changelog_notes *notes)
{
    struct changelog *l = mem_zalloc(sizeof(*l));

    pthread_mutex_init(&l->mu, NULL);
    l->notes = notes;
    l->began_ms = clock_boot_ms();
    return l;
}

void changelog_free(struct changelog *l)
{
    if (!l)
        return;
    pthread_mutex_destroy(&l->mu);
    mem_free(l->own);
    mem_free(l);
}

uint64_t changelog_group(const char *group)
{
    return hash_murmur64(group, strlen(group));
}

uint64_t changelog_name(uint64_t group, const void *key, size_t n)
{
    uint64_t both[2] = {group, hash_murmur64(key, n)};

    return hash_murmur64(both, sizeof(both));
}

uint64_t changelog_began_ms(const struct changelog *l)
{
    return l->began_ms;
}

/* The note is written before it counts: the process may end in between. */
static void note_locked(struct changelog *l, uint64_t group, uint64_t name)
{
    uint64_t n = atomic_load_explicit(&l->notes->n, memory_order_relaxed);

    l->notes->list[n % CHANGELOG_NOTES] = (struct changelog_note){group, name, clock_boot_ms()};
    atomic_store_explicit(&l->notes->n, n + 1, memory_order_release);
}

void changelog_note(struct changelog *l, uint64_t group, uint64_t name)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->mu);
    if (!l->notes)
        l->notes = l->own = mem_zalloc(sizeof(*l->own));
    note_locked(l, group, name);
    pthread_mutex_unlock(&l->mu);
}

int changelog_since(struct changelog *l, uint64_t group, uint64_t since_ms, struct buf *out)
{
    uint64_t n, left;
    int complete = 1;

    pthread_mutex_lock(&l->mu);
    n = l->notes ? atomic_load_explicit(&l->notes->n, memory_order_relaxed) : 0;
    left = n < CHANGELOG_NOTES ? n : CHANGELOG_NOTES;
    for (; left; left--) {
        const struct changelog_note *note = &l->notes->list[--n % CHANGELOG_NOTES];

        if (note->at_ms < since_ms)
            break;
        if (note->group == group)
            buf_put(out, &note->name, sizeof(note->name));
    }
    complete = !n || left > 0; /* it has come to the first note, or to one that is too old */
    pthread_mutex_unlock(&l->mu);
    return complete;
}
