/* SPDX-License-Identifier: MIT */
#include "peer/view.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "peer/peer_in.h"

static int by_url(const void *a, const void *b)
{
    return strcmp((*(struct peer *const *)a)->url, (*(struct peer *const *)b)->url);
}

void view_index(struct view *v)
{
    v->by_url = mem_zalloc((v->n + 1) * sizeof(struct peer *));
    if (!v->n)
        return;
    memcpy(v->by_url, v->list, v->n * sizeof(struct peer *));
    qsort(v->by_url, v->n, sizeof(struct peer *), by_url);
}

static int is_at(const void *url, const void *peer)
{
    return strcmp(url, (*(struct peer *const *)peer)->url);
}

struct peer *view_find(const struct view *v, const char *url)
{
    struct peer *const *found =
        v->n ? bsearch(url, v->by_url, v->n, sizeof(struct peer *), is_at) : NULL;

    return found ? *found : NULL;
}

/* --- what is there twice --- */

struct entry {
    const char *name;
    size_t place;
};

static int by_name(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    return order ? order : (x->place > y->place) - (x->place < y->place);
}

size_t view_repeated(const char *const *names, size_t n)
{
    struct entry *all = mem_zalloc((n + 1) * sizeof(*all));
    size_t i, first = n;

    for (i = 0; i < n; i++)
        all[i] = (struct entry){names[i], i};
    qsort(all, n, sizeof(*all), by_name);
    for (i = 1; i < n; i++) {
        if (all[i].place < first && strcmp(all[i].name, all[i - 1].name) == 0)
            first = all[i].place;
    }
    mem_free(all);
    return first;
}

/* --- who counts as different --- */

void view_listed(struct peer *const *list, size_t n, int in)
{
    size_t i;

    for (i = 0; i < n; i++) {
        struct agree *a = &list[i]->agree;
        struct peers *p = list[i]->peers;
        unsigned was, is;

        pthread_mutex_lock(&p->agree_mu);
        was = a->lists;
        is = a->lists += in ? 1u : -1u;
        if (!was != !is && atomic_load(&a->state) == AGREE_DIFFERS)
            atomic_fetch_add(&p->differing, is ? 1 : -1);
        pthread_mutex_unlock(&p->agree_mu);
    }
}
