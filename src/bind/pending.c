/* SPDX-License-Identifier: MIT */
/* pending.c - gets of a program that do not block its thread: groupcache/pending.lua has the face.
 * They have one key, or many.
 *
 * A get that waits has a descriptor, which is readable once the get has ended: an eventfd, made
 * when it is asked for. Any thread may end the get. Both the Lua value and the waiter hold the
 * struct; whoever lets it go last frees it. */
#include "bind/bind.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "bind/core.h"
#include "bind/handle.h"
#include "bind/many.h"
#include "bind/value.h"
#include "cache/group.h"
#include "cache/group_many.h"

#define BIND_PENDING "groupcache.pending"

struct pending {
    struct waiter waiter;  /* of one key */
    struct group *group;   /* set once, a reference; NULL: it has ended from the start */
    uint64_t timeout_ms;   /* set once: the caller's own, for the message */
    uint64_t deadline_ms;  /* set once: clock_ms() time; 0: the group's own bound */
    int full;              /* set once: the value is wanted with its extras */
    _Atomic unsigned refs; /* atomic: the Lua value's, the waiter's */
    pthread_mutex_t mu;    /* no other lock is taken under it */
    int ended;             /* guarded by mu, as all that follows */
    int fd;                /* -1: nobody has asked for it */
    struct result result;  /* once ended; item is a reference */
    struct many *many;     /* of many keys; set before it ends, then the Lua value's */
};

static void signal_locked(const struct pending *p)
{
    uint64_t one = 1;

    if (p->fd >= 0 && write(p->fd, &one, sizeof(one)) < 0)
        return; /* its counter cannot be full */
}

static void unref(struct pending *p)
{
    if (atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (p->fd >= 0)
        close(p->fd);
    item_unref(p->result.item);
    group_many_free(p->many);
    group_unref(p->group);
    pthread_mutex_destroy(&p->mu);
    mem_free(p);
}

/* Takes the reference to r->item. */
static void end(struct pending *p, const struct result *r)
{
    pthread_mutex_lock(&p->mu);
    p->result = *r;
    p->ended = 1;
    signal_locked(p);
    pthread_mutex_unlock(&p->mu);
}

static void pending_wake(struct waiter *w, const struct result *r)
{
    struct pending *p = list_entry(w, struct pending, waiter);
    struct result own = {.item = NULL};

    result_copy(&own, r);
    end(p, &own);
    unref(p);
}

/* All of its keys have ended, perhaps before group_many_start() has returned. */
static void many_done(void *ctx, struct many *m)
{
    struct pending *p = ctx;
    struct result none = {.item = NULL};

    pthread_mutex_lock(&p->mu);
    p->many = m;
    pthread_mutex_unlock(&p->mu);
    end(p, &none);
    unref(p);
}

static struct pending **check(lua_State *L)
{
    struct pending **slot = luaL_checkudata(L, 1, BIND_PENDING);

    luaL_argcheck(L, *slot, 1, "it is closed");
    return slot;
}

static struct pending **push_new(lua_State *L)
{
    struct pending **slot = lua_newuserdata(L, sizeof(struct pending *));
    struct pending *p;

    *slot = NULL;
    luaL_getmetatable(L, BIND_PENDING);
    lua_setmetatable(L, -2);
    p = mem_zalloc(sizeof(*p));
    p->waiter.wake = pending_wake;
    p->fd = -1;
    atomic_init(&p->refs, 1);
    pthread_mutex_init(&p->mu, NULL);
    *slot = p;
    return slot;
}

/* A pending get by the arguments timeout_ms or nil, which pending.lua has checked, and full, with a
 * reference for what is to end it. */
static struct pending *push_begun(lua_State *L, const struct handle *h)
{
    double timeout_ms = luaL_optnumber(L, 3, 0);
    int full = lua_toboolean(L, 4);
    struct pending *p = *push_new(L);

    p->group = group_ref(h->group);
    p->full = full;
    p->timeout_ms = (uint64_t)timeout_ms;
    p->deadline_ms = p->timeout_ms ? clock_ms() + p->timeout_ms : 0;
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

/* core.pending(handle, key, timeout_ms or nil, full) -> pending. To be called after a miss that was
 * counted. Of a group alone: while another load of the key is under way. */
static int l_pending(lua_State *L)
{
    struct handle *h = handle_check(L, 1);
    struct key_ref k = core_check_key(L, 2);
    struct pending *p = push_begun(L, h);
    struct result now = {.item = NULL};

    if (!group_load(h->group, &k, 0, &p->waiter, &now))
        return 1;
    end(p, &now);
    unref(p);
    return 1;
}

/* core.pending_many(handle, keys, timeout_ms or nil, full) -> pending | nil, message, code. Its
 * result is that of core.wait_many(). */
static int l_pending_many(lua_State *L)
{
    struct handle *h = handle_check(L, 1);
    size_t n;
    const struct key *keys = core_check_keys(L, 2, &n);
    struct pending *p = push_begun(L, h);
    struct many *m = group_many_start(
        h->group, keys, n, 0,
        &(struct many_caller){.done = many_done, .ctx = p, .max_bytes = MANY_PROGRAM_BYTES});

    if (!m) {
        unref(p);
        return many_no_memory(L, n);
    }
    pthread_mutex_lock(&p->mu);
    p->many = m;
    pthread_mutex_unlock(&p->mu);
    return 1;
}

/* core.pending_ended() -> pending without a result, which has ended */
static int l_pending_ended(lua_State *L)
{
    (*push_new(L))->ended = 1;
    return 1;
}

/* core.pending_fd(pending) -> descriptor | nil, message, code */
static int l_pending_fd(lua_State *L)
{
    struct pending *p = *check(L);
    struct error e;
    int fd, wrong = 0;

    pthread_mutex_lock(&p->mu);
    if (p->fd < 0) {
        p->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        wrong = errno;
        if (p->ended)
            signal_locked(p);
    }
    fd = p->fd;
    pthread_mutex_unlock(&p->mu);
    if (fd < 0) {
        error_set(&e, ERR_BUSY, "no descriptor for a get that waits: %s", strerror(wrong));
        return core_error(L, &e);
    }
    lua_pushinteger(L, fd);
    return 1;
}

static int has_ended(struct pending *p)
{
    int ended;

    pthread_mutex_lock(&p->mu);
    ended = p->ended;
    pthread_mutex_unlock(&p->mu);
    return ended;
}

static int cancel(struct pending *p)
{
    struct many *m;

    pthread_mutex_lock(&p->mu); /* many_done() writes it, too */
    m = p->many;
    pthread_mutex_unlock(&p->mu);
    return m ? group_many_cancel(m) : group_cancel(p->group, &p->waiter);
}

/* The caller waits no longer. If the load has ended meanwhile, its waiter is about to be woken. */
static void give_up(struct pending *p)
{
    struct result late = {.item = NULL};

    if (!p->group || has_ended(p) || !cancel(p))
        return;
    group_late(p->group, p->timeout_ms, &late.err);
    end(p, &late);
    unref(p);
}

/* core.pending_done(pending) -> boolean. Past its deadline it ends here. */
static int l_pending_done(lua_State *L)
{
    struct pending *p = *check(L);

    if (p->deadline_ms && clock_ms() >= p->deadline_ms)
        give_up(p);
    lua_pushboolean(L, has_ended(p));
    return 1;
}

/* core.pending_left(pending) -> seconds until its deadline | nil: it has none */
static int l_pending_left(lua_State *L)
{
    const struct pending *p = *check(L);
    uint64_t now_ms = clock_ms();

    if (!p->deadline_ms)
        return 0;
    lua_pushnumber(L, p->deadline_ms > now_ms ? (double)(p->deadline_ms - now_ms) / 1000 : 0);
    return 1;
}

/* core.pending_wait(fd, seconds or nil): blocks the thread until the descriptor is readable, or the
 * time has passed. */
static int l_pending_wait(lua_State *L)
{
    struct pollfd poll_fd = {.fd = (int)luaL_checkinteger(L, 1), .events = POLLIN};
    double seconds = luaL_optnumber(L, 2, -1);
    int ms = seconds < 0 ? -1 : seconds > 1e6 ? 1000000000 : (int)(seconds * 1000) + 1;

    poll(&poll_fd, 1, ms); /* the caller looks again, also after a signal */
    return 0;
}

/* Once: the values are given back at once rather than by the collector. */
static int push_many(lua_State *L, struct pending *p)
{
    struct error late;

    luaL_checktype(L, 2, LUA_TTABLE);
    group_late(p->group, p->timeout_ms ? p->timeout_ms : group_opts(p->group).timeout_ms, &late);
    many_push(L, p->group, p->many, 2, p->full, &late);
    group_many_free(p->many);
    p->many = NULL;
    return 2;
}

/* core.pending_result(pending) -> value, nil, source | nil, message, code. It has ended. Of many
 * keys: core.pending_result(pending, keys) -> values, errors. Once. */
static int l_pending_result(lua_State *L)
{
    struct pending *p = *check(L);

    luaL_argcheck(L, has_ended(p), 1, "it has not ended");
    if (p->many)
        return push_many(L, p);
    return p->result.item ? value_push(L, p->group, p->result.item, p->result.source, p->full)
                          : core_error(L, &p->result.err);
}

/* core.pending_close(pending): no longer waits, and gives back the descriptor */
static int l_pending_close(lua_State *L)
{
    struct pending **slot = luaL_checkudata(L, 1, BIND_PENDING), *p = *slot;

    *slot = NULL;
    if (!p)
        return 0;
    give_up(p);
    unref(p);
    return 0;
}

static const luaL_Reg methods[] = {
    {"__gc", l_pending_close},
    {NULL, NULL},
};

void bind_pending_open(lua_State *L)
{
    core_new_class(L, BIND_PENDING, methods);
}

const luaL_Reg bind_pending[] = {
    {"pending", l_pending},           {"pending_close", l_pending_close},
    {"pending_done", l_pending_done}, {"pending_ended", l_pending_ended},
    {"pending_fd", l_pending_fd},     {"pending_left", l_pending_left},
    {"pending_many", l_pending_many}, {"pending_result", l_pending_result},
    {"pending_wait", l_pending_wait}, {NULL, NULL},
};
