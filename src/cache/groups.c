/* SPDX-License-Identifier: MIT */
#include "cache/groups.h"

#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "cache/awake.h"
#include "cache/group.h"
#include "cache/group_in.h"
#include "cache/shared.h"

struct groups {
    pthread_rwlock_t lock;
    struct group **list;    /* guarded by lock; owned, with references, in order of addition */
    struct group **by_name; /* guarded by lock; owned, the same ones sorted */
    struct shared *shared[GROUPS_MAX_SHARED]; /* guarded by lock; owned */
    size_t n_shared;
    size_t n, cap;      /* guarded by lock: how many, and room for how many in both */
    struct awake awake; /* the groups that the next tick looks at */
    size_t at;          /* of the thread that ticks: the place in `list` of its next slice */
};

struct groups *groups_new(void)
{
    struct groups *gs = mem_zalloc(sizeof(*gs));

    pthread_rwlock_init(&gs->lock, NULL);
    awake_init(&gs->awake);
    return gs;
}

void groups_free(struct groups *gs)
{
    size_t i;

    if (!gs)
        return;
    for (i = 0; i < gs->n; i++) {
        group_tick_watch(gs->list[i], NULL);
        group_unref(gs->list[i]);
    }
    awake_deinit(&gs->awake);
    for (i = 0; i < gs->n_shared; i++)
        shared_free(gs->shared[i]);
    pthread_rwlock_destroy(&gs->lock);
    mem_free(gs->list);
    mem_free(gs->by_name);
    mem_free(gs);
}

/* Order of names as byte strings. */
static int compare(const struct group *g, const char *name, size_t name_len)
{
    const char *other = group_name(g);
    size_t other_len = strlen(other);
    int c = memcmp(other, name, other_len < name_len ? other_len : name_len);

    return c ? c : (other_len > name_len) - (other_len < name_len);
}

/* The place of that name in by_name. *found: it is there; else it would be put there. */
static size_t place_locked(const struct groups *gs, const char *name, size_t name_len, int *found)
{
    size_t low = 0, high = gs->n;

    *found = 0;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int c = compare(gs->by_name[middle], name, name_len);

        if (c < 0) {
            low = middle + 1;
        } else {
            *found |= c == 0;
            high = middle;
        }
    }
    return low;
}

static struct group **widened(struct group **old, size_t n, size_t cap)
{
    struct group **list = mem_zalloc(cap * sizeof(struct group *));

    if (n)
        memcpy(list, old, n * sizeof(struct group *));
    mem_free(old);
    return list;
}

int groups_add(struct groups *gs, struct group *g)
{
    const char *name = group_name(g);
    size_t at;
    int found;

    pthread_rwlock_wrlock(&gs->lock);
    at = place_locked(gs, name, strlen(name), &found);
    if (!found) {
        if (gs->n == gs->cap) {
            gs->cap = gs->cap ? gs->cap * 2 : 16;
            gs->list = widened(gs->list, gs->n, gs->cap);
            gs->by_name = widened(gs->by_name, gs->n, gs->cap);
        }
        memmove(gs->by_name + at + 1, gs->by_name + at, (gs->n - at) * sizeof(struct group *));
        gs->by_name[at] = g;
        gs->list[gs->n++] = group_ref(g);
    }
    pthread_rwlock_unlock(&gs->lock);
    if (!found)
        group_tick_watch(g, &gs->awake);
    return !found;
}

struct group *groups_remove(struct groups *gs, const char *name)
{
    struct group *g = NULL;
    size_t at, i;
    int found;

    pthread_rwlock_wrlock(&gs->lock);
    at = place_locked(gs, name, strlen(name), &found);
    if (found) {
        g = gs->by_name[at];
        gs->n--;
        memmove(gs->by_name + at, gs->by_name + at + 1, (gs->n - at) * sizeof(struct group *));
        for (i = 0; gs->list[i] != g; i++)
            ;
        memmove(gs->list + i, gs->list + i + 1, (gs->n - i) * sizeof(struct group *));
    }
    pthread_rwlock_unlock(&gs->lock);
    if (g)
        group_tick_watch(g, NULL);
    return g;
}

struct group *groups_find(struct groups *gs, const char *name, size_t name_len)
{
    struct group *g = NULL;
    size_t at;
    int found;

    pthread_rwlock_rdlock(&gs->lock);
    at = place_locked(gs, name, name_len, &found);
    if (found)
        g = group_ref(gs->by_name[at]);
    pthread_rwlock_unlock(&gs->lock);
    return g;
}

void groups_each(struct groups *gs, void (*fn)(void *arg, struct group *g), void *arg)
{
    struct group **list;
    size_t i, n;

    pthread_rwlock_rdlock(&gs->lock);
    n = gs->n;
    list = mem_zalloc((n + 1) * sizeof(struct group *));
    for (i = 0; i < n; i++)
        list[i] = group_ref(gs->list[i]);
    pthread_rwlock_unlock(&gs->lock);
    for (i = 0; i < n; i++) {
        fn(arg, list[i]);
        group_unref(list[i]);
    }
    mem_free(list);
}

/* --- the tick --- */

/* References to the next groups of the slice, and the place behind them. */
static size_t take_slice(struct groups *gs, struct group **out, size_t max)
{
    size_t n;

    pthread_rwlock_rdlock(&gs->lock);
    if (gs->at >= gs->n)
        gs->at = 0;
    for (n = 0; n < max && gs->at < gs->n; n++)
        out[n] = group_ref(gs->list[gs->at++]);
    pthread_rwlock_unlock(&gs->lock);
    return n;
}

static size_t count(struct groups *gs)
{
    size_t n;

    pthread_rwlock_rdlock(&gs->lock);
    n = gs->n;
    pthread_rwlock_unlock(&gs->lock);
    return n;
}

static size_t tick_slice(struct groups *gs, uint64_t now_ms)
{
    struct group *list[GROUPS_SLICE];
    size_t n = count(gs), left = (n + GROUPS_TICKS - 1) / GROUPS_TICKS, i, done = 0;

    left = left > GROUPS_SLICE ? left : n < GROUPS_SLICE ? n : GROUPS_SLICE;
    while (left && (n = take_slice(gs, list, left < GROUPS_SLICE ? left : GROUPS_SLICE))) {
        for (i = 0; i < n; i++) {
            group_tick_all(list[i], now_ms);
            group_unref(list[i]);
        }
        left -= n;
        done += n;
    }
    return done;
}

static struct group *group_of(struct awake_link *l)
{
    return list_entry(l, struct group, awake_link);
}

static void hold(struct awake_link *l)
{
    group_ref(group_of(l));
}

size_t groups_tick(struct groups *gs, uint64_t now_ms)
{
    struct awake_link *l;
    size_t done;

    awake_begin(&gs->awake);
    done = tick_slice(gs, now_ms);
    while ((l = awake_take(&gs->awake, hold))) {
        group_tick_all(group_of(l), now_ms);
        group_unref(group_of(l));
        done++;
    }
    return done;
}

static struct shared *find_shared_locked(const struct groups *gs, const char *name)
{
    size_t i;

    for (i = 0; i < gs->n_shared; i++) {
        if (strcmp(shared_name(gs->shared[i]), name) == 0)
            return gs->shared[i];
    }
    return NULL;
}

struct shared *groups_shared(struct groups *gs, const char *name, uint64_t bytes, struct error *e)
{
    struct shared *s;

    pthread_rwlock_wrlock(&gs->lock);
    s = find_shared_locked(gs, name);
    if (!s && gs->n_shared < GROUPS_MAX_SHARED)
        s = gs->shared[gs->n_shared++] = shared_new(name, bytes);
    pthread_rwlock_unlock(&gs->lock);
    if (!s)
        error_set(e, ERR_BUSY, "shared %s: there are %d shared tables already", name,
                  GROUPS_MAX_SHARED);
    return s;
}

/* Tables are added only, and live as long as the groups. */
void groups_each_shared(struct groups *gs, void (*fn)(void *arg, struct shared *s), void *arg)
{
    size_t i, n;

    pthread_rwlock_rdlock(&gs->lock);
    n = gs->n_shared;
    pthread_rwlock_unlock(&gs->lock);
    for (i = 0; i < n; i++)
        fn(arg, gs->shared[i]);
}
