/* SPDX-License-Identifier: MIT */
#include "peer/names.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/thread.h"

enum {
    MAX_ADDRESSES = 16, /* of a name; more are not kept */
    EVERY_S = 30,
    FAILED_S = 3, /* until a name that has no address is looked up again */
    LEAST_S = 1   /* between two lookups of a name */
};

struct name {
    struct names *names; /* set once, like host */
    char *host;
    struct list link; /* in names.list; guarded by names.mu, like all that follows */
    unsigned refs;
    uint64_t looked_s, due_s; /* the last lookup, 0: none; the next */
    struct address list[MAX_ADDRESSES];
    size_t n;
};

struct names {
    pthread_mutex_t mu;
    pthread_cond_t changed; /* a name is due, or was looked up; or users is 0 */
    unsigned users;         /* references to this, and to names; guarded by mu, like the rest */
    int running;            /* 1: the thread is there, and frees this */
    struct list list;       /* struct name */
};

static uint64_t now_s(void)
{
    return clock_real_ms() / 1000;
}

struct names *names_new(void)
{
    struct names *ns = mem_zalloc(sizeof(*ns));
    pthread_condattr_t attr;

    pthread_mutex_init(&ns->mu, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&ns->changed, &attr);
    pthread_condattr_destroy(&attr);
    ns->users = 1;
    list_init(&ns->list);
    return ns;
}

struct names *names_ref(struct names *ns)
{
    pthread_mutex_lock(&ns->mu);
    ns->users++;
    pthread_mutex_unlock(&ns->mu);
    return ns;
}

static void names_free(struct names *ns)
{
    pthread_cond_destroy(&ns->changed);
    pthread_mutex_destroy(&ns->mu);
    mem_free(ns);
}

/* Drops one of the users, and the mutex. The last one leaves the rest to the thread, if there is
 * one. */
static void leave(struct names *ns)
{
    int last = --ns->users == 0 && !ns->running;

    pthread_cond_broadcast(&ns->changed);
    pthread_mutex_unlock(&ns->mu);
    if (last)
        names_free(ns);
}

void names_unref(struct names *ns)
{
    if (!ns)
        return;
    pthread_mutex_lock(&ns->mu);
    leave(ns);
}

/* --- the thread --- */

/* Under mu: drops a reference. */
static void drop(struct name *name)
{
    if (--name->refs)
        return;
    list_del(&name->link);
    mem_free(name->host);
    mem_free(name);
}

static size_t look_up(const char *host, struct address out[MAX_ADDRESSES])
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL, *ai;
    size_t n = 0;

    if (getaddrinfo(host, NULL, &hints, &found))
        return 0;
    for (ai = found; ai && n < MAX_ADDRESSES; ai = ai->ai_next)
        n += (size_t)address_of(ai->ai_addr, &out[n]);
    freeaddrinfo(found);
    return n;
}

/* Under mu: the name that is due first. */
static struct name *first_due(const struct names *ns)
{
    struct name *first = NULL;
    struct list *l;

    list_each (l, &ns->list) {
        struct name *name = list_entry(l, struct name, link);

        if (!first || name->due_s < first->due_s)
            first = name;
    }
    return first;
}

/* Under mu, which is released meanwhile. A lookup that fails leaves the addresses as they are. */
static void look_up_one(struct names *ns, struct name *name)
{
    struct address list[MAX_ADDRESSES];
    size_t n;

    name->refs++;
    pthread_mutex_unlock(&ns->mu);
    n = look_up(name->host, list);
    pthread_mutex_lock(&ns->mu);
    if (n) {
        memcpy(name->list, list, n * sizeof(*list));
        name->n = n;
    }
    name->looked_s = now_s();
    name->due_s = name->looked_s + (name->n ? EVERY_S : FAILED_S);
    drop(name);
    pthread_cond_broadcast(&ns->changed);
}

static void *names_main(void *arg)
{
    struct names *ns = arg;
    struct timespec until = {0, 0};

    pthread_mutex_lock(&ns->mu);
    while (ns->users) {
        struct name *name = first_due(ns);

        if (name && name->due_s <= now_s()) {
            look_up_one(ns, name);
            continue;
        }
        until.tv_sec = (time_t)(name ? name->due_s : now_s() + EVERY_S);
        pthread_cond_timedwait(&ns->changed, &ns->mu, &until);
    }
    pthread_mutex_unlock(&ns->mu);
    names_free(ns);
    return NULL;
}

/* Under mu. */
static void run(struct names *ns)
{
    pthread_t thread;
    struct error e;

    if (ns->running)
        return;
    if (thread_start(&thread, "names", 0, names_main, ns, &e)) {
        log_error("peers", "cannot look up the names of peers", "error=\"%s\"", e.msg);
        return;
    }
    pthread_detach(thread);
    ns->running = 1;
}

/* --- names --- */

static struct name *find(const struct names *ns, const char *host, size_t n)
{
    struct list *l;

    list_each (l, &ns->list) {
        struct name *name = list_entry(l, struct name, link);

        if (strlen(name->host) == n && memcmp(name->host, host, n) == 0)
            return name;
    }
    return NULL;
}

struct name *names_get(struct names *ns, const char *host, size_t n)
{
    struct name *name;

    pthread_mutex_lock(&ns->mu);
    name = find(ns, host, n);
    if (!name) {
        name = mem_zalloc(sizeof(*name));
        name->names = ns;
        name->host = mem_strndup(host, n);
        list_push_back(&ns->list, &name->link);
        run(ns);
        pthread_cond_broadcast(&ns->changed);
    }
    name->refs++;
    ns->users++;
    pthread_mutex_unlock(&ns->mu);
    return name;
}

void names_give_back(struct name *name)
{
    struct names *ns;

    if (!name)
        return;
    ns = name->names;
    pthread_mutex_lock(&ns->mu);
    drop(name);
    leave(ns);
}

int names_have(const struct name *name, const struct address *a)
{
    struct names *ns = name->names;
    int have = 0;
    size_t i;

    pthread_mutex_lock(&ns->mu);
    for (i = 0; i < name->n && !have; i++)
        have = address_equal(&name->list[i], a);
    pthread_mutex_unlock(&ns->mu);
    return have;
}

void names_again(struct names *ns)
{
    uint64_t now = now_s();
    struct list *l;

    pthread_mutex_lock(&ns->mu);
    list_each (l, &ns->list) {
        struct name *name = list_entry(l, struct name, link);

        if (name->due_s > now && name->looked_s + LEAST_S <= now)
            name->due_s = now;
    }
    pthread_cond_broadcast(&ns->changed);
    pthread_mutex_unlock(&ns->mu);
}

/* Under mu: whether every name was looked up. */
static int is_settled(const struct names *ns)
{
    const struct name *first = first_due(ns);

    return !first || first->looked_s;
}

void names_settle(struct names *ns)
{
    pthread_mutex_lock(&ns->mu);
    while (ns->running && !is_settled(ns))
        pthread_cond_wait(&ns->changed, &ns->mu);
    pthread_mutex_unlock(&ns->mu);
}
