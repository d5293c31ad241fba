/* SPDX-License-Identifier: MIT */
#include "cache/groups.h"

#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "cache/group.h"

struct groups {
    pthread_rwlock_t lock;
    struct group **list; /* guarded by lock; owned, with references */
    size_t n;            /* guarded by lock */
};

struct groups *groups_new(void)
{
    struct groups *gs = mem_zalloc(sizeof(*gs));

    pthread_rwlock_init(&gs->lock, NULL);
    return gs;
}

void groups_free(struct groups *gs)
{
    size_t i;

    if (!gs)
        return;
    for (i = 0; i < gs->n; i++)
        group_unref(gs->list[i]);
    pthread_rwlock_destroy(&gs->lock);
    mem_free(gs->list);
    mem_free(gs);
}

static struct group *find_locked(const struct groups *gs, const char *name, size_t name_len)
{
    size_t i;

    for (i = 0; i < gs->n; i++) {
        const char *other = group_name(gs->list[i]);

        if (strlen(other) == name_len && memcmp(other, name, name_len) == 0)
            return gs->list[i];
    }
    return NULL;
}

int groups_add(struct groups *gs, struct group *g)
{
    const char *name = group_name(g);
    struct group **list = mem_zalloc((gs->n + 1) * sizeof(struct group *));
    int added;

    pthread_rwlock_wrlock(&gs->lock);
    added = !find_locked(gs, name, strlen(name));
    if (added) {
        if (gs->n)
            memcpy(list, gs->list, gs->n * sizeof(struct group *));
        list[gs->n++] = group_ref(g);
        mem_free(gs->list);
        gs->list = list;
    }
    pthread_rwlock_unlock(&gs->lock);
    if (!added)
        mem_free(list);
    return added;
}

struct group *groups_find(struct groups *gs, const char *name, size_t name_len)
{
    struct group *g;

    pthread_rwlock_rdlock(&gs->lock);
    g = find_locked(gs, name, name_len);
    if (g)
        group_ref(g);
    pthread_rwlock_unlock(&gs->lock);
    return g;
}

void groups_each(struct groups *gs, void (*fn)(void *arg, struct group *g), void *arg)
{
    size_t i;

    pthread_rwlock_rdlock(&gs->lock);
    for (i = 0; i < gs->n; i++)
        fn(arg, gs->list[i]);
    pthread_rwlock_unlock(&gs->lock);
}
