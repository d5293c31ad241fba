/* SPDX-License-Identifier: MIT */
#include "script/constants.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "script/frozen.h"

struct constant {
    char *where; /* owned */
    size_t nth;  /* of those made there, from 1 on */
    struct frozen *value;
};

struct constants {
    pthread_mutex_t mu;
    struct constant *list; /* guarded by mu; owned */
    size_t n;              /* guarded by mu */
    atomic_uint refs;
};

struct constants *constants_new(void)
{
    struct constants *cs = mem_zalloc(sizeof(*cs));

    pthread_mutex_init(&cs->mu, NULL);
    atomic_init(&cs->refs, 1);
    return cs;
}

struct constants *constants_ref(struct constants *cs)
{
    atomic_fetch_add(&cs->refs, 1);
    return cs;
}

void constants_unref(struct constants *cs)
{
    size_t i;

    if (!cs || atomic_fetch_sub(&cs->refs, 1) != 1)
        return;
    for (i = 0; i < cs->n; i++) {
        mem_free(cs->list[i].where);
        frozen_unref(cs->list[i].value);
    }
    pthread_mutex_destroy(&cs->mu);
    mem_free(cs->list);
    mem_free(cs);
}

static int is_there(const struct constant *c, const char *where, size_t nth)
{
    return c->nth == nth && strcmp(c->where, where) == 0;
}

struct frozen *constants_find(struct constants *cs, const char *where, size_t nth, size_t *hint)
{
    struct frozen *found = NULL;
    size_t i, at;

    pthread_mutex_lock(&cs->mu);
    for (i = 0; i < cs->n && !found; i++) {
        at = (*hint + i) % cs->n;
        if (is_there(&cs->list[at], where, nth)) {
            found = frozen_ref(cs->list[at].value);
            *hint = at + 1;
        }
    }
    pthread_mutex_unlock(&cs->mu);
    return found;
}

void constants_add(struct constants *cs, const char *where, size_t nth, struct frozen *f)
{
    pthread_mutex_lock(&cs->mu);
    cs->list = mem_resize(cs->list, (cs->n + 1) * sizeof(*cs->list));
    cs->list[cs->n++] = (struct constant){mem_strdup(where), nth, frozen_ref(f)};
    pthread_mutex_unlock(&cs->mu);
}
