/* SPDX-License-Identifier: MIT */
#include "cache/awake.h"

void awake_init(struct awake *a)
{
    pthread_mutex_init(&a->mu, NULL);
    list_init(&a->next);
    list_init(&a->due);
}

void awake_deinit(struct awake *a)
{
    pthread_mutex_destroy(&a->mu);
}

void awake_link_init(struct awake_link *l)
{
    list_init(&l->link);
    atomic_init(&l->on, 0);
}

void awake_add(struct awake *a, struct awake_link *l)
{
    if (atomic_load_explicit(&l->on, memory_order_acquire))
        return;
    pthread_mutex_lock(&a->mu);
    if (!list_linked(&l->link))
        list_push_back(&a->next, &l->link);
    atomic_store_explicit(&l->on, 1, memory_order_release);
    pthread_mutex_unlock(&a->mu);
}

static void remove_locked(struct awake_link *l)
{
    list_del(&l->link);
    atomic_store_explicit(&l->on, 0, memory_order_release);
}

void awake_remove(struct awake *a, struct awake_link *l)
{
    if (!atomic_load_explicit(&l->on, memory_order_acquire))
        return;
    pthread_mutex_lock(&a->mu);
    remove_locked(l);
    pthread_mutex_unlock(&a->mu);
}

void awake_begin(struct awake *a)
{
    pthread_mutex_lock(&a->mu);
    list_splice_back(&a->due, &a->next);
    pthread_mutex_unlock(&a->mu);
}

struct awake_link *awake_take(struct awake *a, void (*hold)(struct awake_link *l))
{
    struct awake_link *l = NULL;

    pthread_mutex_lock(&a->mu);
    if (!list_empty(&a->due)) {
        l = list_entry(a->due.next, struct awake_link, link);
        hold(l); /* first: awake_remove() does not wait for the mutex if it is in no list */
        remove_locked(l);
    }
    pthread_mutex_unlock(&a->mu);
    return l;
}
