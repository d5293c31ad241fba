/* SPDX-License-Identifier: MIT */
/* keyers.c - a question is a call in a VM's inbox. It ends by its answer, by keyers_watch() when it
 * has waited for too long, or by keyers_close(); the call itself ends later then. A VM that is
 * abandoned hands on the calls that it has not begun. */
#include "node/keyers.h"

#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/inbox.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/seldom.h"
#include "cache/group.h"
#include "script/defs.h"
#include "script/keycall.h"
#include "script/vm.h"
#include "script/worker.h"

#define NOBODY "no VM runs its key function any more"

enum {
    LEAST = 2,   /* one may block */
    THREADS = 4, /* that ask, for one VM: a call takes less than the rest of a request */
    PATIENCE_MS = 5000
};

struct keyers {
    struct workers *workers; /* set once */
    pthread_mutex_t mu;
    struct list open; /* call.link, oldest first; guarded by mu, like the next */
    int closed;
    struct seldom late;
};

struct call {
    struct keycall keycall;
    struct msg msg;
    struct keyers *keyers;
    struct worker *worker; /* whose inbox or VM it is in */
    struct list link;
    struct keyask *ask; /* guarded by mu; NULL: the question has ended, and link is not used */
    uint64_t since_ms;
};

/* --- the end of a question --- */

/* NULL: it has ended already. */
static struct keyask *take_locked(struct call *c)
{
    struct keyask *a = c->ask;

    c->ask = NULL;
    if (a)
        list_del(&c->link);
    return a;
}

static struct keyask *take(struct call *c)
{
    struct keyask *a;

    pthread_mutex_lock(&c->keyers->mu);
    a = take_locked(c);
    pthread_mutex_unlock(&c->keyers->mu);
    return a;
}

static void fail(struct keyask *a, enum err code, const char *why)
{
    error_set(&a->err, code, "group %s: %s", group_name(a->group), why);
    a->done(a);
}

static void call_free(struct call *c)
{
    buf_deinit(&c->keycall.request.text);
    mem_free(c->keycall.key);
    group_unref(c->keycall.group);
    mem_free(c);
}

/* No VM is to call. */
static void drop(struct call *c)
{
    struct keyask *a = take(c);

    if (a)
        fail(a, ERR_CLOSED, NOBODY);
    call_free(c);
}

/* --- calls --- */

static void answer(struct keyask *a, struct keycall *k)
{
    a->key = k->key;
    a->key_len = k->key_len;
    a->err = k->err;
    a->status = k->status;
    k->key = NULL;
    a->done(a);
}

static void ended(struct keycall *k)
{
    struct call *c = list_entry(k, struct call, keycall);
    struct keyask *a = take(c);

    worker_called(c->worker);
    if (a)
        answer(a, k);
    call_free(c);
}

static void post(struct call *c)
{
    if (!workers_call(c->keyers->workers, &c->msg, &c->worker))
        drop(c);
}

static int is_wanted(struct call *c)
{
    int wanted;

    pthread_mutex_lock(&c->keyers->mu);
    wanted = c->ask != NULL;
    pthread_mutex_unlock(&c->keyers->mu);
    return wanted;
}

/* The VM's thread; or the watch thread, when the VM was abandoned. */
static void run(struct msg *m)
{
    struct call *c = list_entry(m, struct call, msg);
    struct vm *vm = worker_vm(c->worker);
    int wanted = is_wanted(c);

    if (wanted && !vm_quitting(vm)) {
        keycall_start(vm, &c->keycall);
        return;
    }
    worker_called(c->worker);
    if (wanted)
        post(c);
    else
        call_free(c);
}

void keyers_ask(struct keyers *k, struct keyask *a)
{
    struct call *c = mem_zalloc(sizeof(*c));
    int closed;

    c->keyers = k;
    c->msg.run = run;
    c->ask = a;
    c->since_ms = clock_ms();
    c->keycall.group = group_ref(a->group);
    c->keycall.request = a->request;
    c->keycall.ended = ended;
    buf_init(&a->request.text, 0);
    pthread_mutex_lock(&k->mu);
    list_push_back(&k->open, &c->link);
    closed = k->closed;
    pthread_mutex_unlock(&k->mu);
    if (closed)
        drop(c);
    else
        post(c);
}

/* Ends questions that are older, the oldest first. */
static void end_older(struct keyers *k, uint64_t than_ms, enum err code, const char *why)
{
    for (;;) {
        struct keyask *a = NULL;
        struct call *c;

        pthread_mutex_lock(&k->mu);
        if (!list_empty(&k->open)) {
            c = list_entry(k->open.next, struct call, link);
            a = c->since_ms <= than_ms ? take_locked(c) : NULL;
        }
        pthread_mutex_unlock(&k->mu);
        if (!a)
            return;
        if (code == ERR_TIMEOUT && seldom_count(&k->late))
            log_error("script", "a key function has not answered in time", "group=%s ms=%d",
                      group_name(a->group), PATIENCE_MS);
        fail(a, code, why);
    }
}

/* --- life --- */

unsigned keyers_count(uint64_t threads)
{
    return (unsigned)(threads / THREADS > LEAST ? threads / THREADS : LEAST);
}

struct keyers *keyers_start(const struct workers_opts *o, uint64_t threads, struct vm *control,
                            struct script *script, struct error *e)
{
    struct keyers *k = mem_zalloc(sizeof(*k));
    struct workers_opts own = *o;

    own.n = keyers_count(threads);
    own.loop = "plain";
    own.kind = "key";
    own.wanted = defs_make_keys;
    pthread_mutex_init(&k->mu, NULL);
    list_init(&k->open);
    k->workers = workers_start(&own, control, script, e);
    if (k->workers)
        return k;
    keyers_free(k);
    return NULL;
}

struct workers_next *keyers_next(struct keyers *k, struct vm *control, struct script *script,
                                 struct error *e)
{
    return workers_next(k->workers, control, script, e);
}

void keyers_reload(struct keyers *k, struct workers_next *next)
{
    workers_reload(k->workers, next);
}

void keyers_watch(struct keyers *k, uint64_t now_ms)
{
    workers_watch(k->workers, now_ms);
    if (now_ms > PATIENCE_MS)
        end_older(k, now_ms - PATIENCE_MS, ERR_TIMEOUT, "its key function has not answered in 5 s");
}

uint64_t keyers_helpless_since_ms(const struct keyers *k)
{
    return workers_helpless_since_ms(k->workers);
}

void keyers_stats(struct keyers *k, struct workers_stats *out)
{
    workers_stats(k->workers, out);
}

void keyers_close(struct keyers *k)
{
    if (!k)
        return;
    pthread_mutex_lock(&k->mu);
    k->closed = 1;
    pthread_mutex_unlock(&k->mu);
    end_older(k, UINT64_MAX, ERR_CLOSED, NOBODY);
}

int keyers_stop(struct keyers *k)
{
    return !k || workers_stop(k->workers);
}

void keyers_free(struct keyers *k)
{
    if (!k)
        return;
    workers_free(k->workers);
    pthread_mutex_destroy(&k->mu);
    mem_free(k);
}
