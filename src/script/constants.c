/* SPDX-License-Identifier: MIT */
#include "script/constants.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"
#include "script/frozen.h"

struct constant {
    char *where; /* owned */
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

enum err constants_find(struct constants *cs, size_t number, const char *where, struct frozen **out,
                        struct error *e)
{
    enum err err = ERR_OK;

    *out = NULL;
    pthread_mutex_lock(&cs->mu);
    if (number < cs->n && strcmp(cs->list[number].where, where) != 0)
        err = error_set(e, ERR_INVAL,
                        "groupcache.constant: the script is not the same in every VM: constant "
                        "number %zu is made at %s, and at %s",
                        number + 1, cs->list[number].where, where);
    else if (number < cs->n)
        *out = frozen_ref(cs->list[number].value);
    pthread_mutex_unlock(&cs->mu);
    return err;
}

void constants_add(struct constants *cs, const char *where, struct frozen *f)
{
    pthread_mutex_lock(&cs->mu);
    cs->list = mem_resize(cs->list, (cs->n + 1) * sizeof(*cs->list));
    cs->list[cs->n++] = (struct constant){mem_strdup(where), frozen_ref(f)};
    pthread_mutex_unlock(&cs->mu);
}
