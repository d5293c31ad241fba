/* SPDX-License-Identifier: MIT */
/* library.c - groups of a program: part of a node in the same process, or alone.
 *
 * A handle has a reader for the fast path. The Lua side (groupcache/handle.lua) keeps the strings
 * of the key and the value of the item in each of the reader's slots. recall_held() and recall()
 * say whether the value's string still is the value. While the JIT is on, they are called through
 * the FFI.
 *
 * A group without a node runs its getter in the calling VM: its loader only notes the flight, and
 * the Lua side ends it. */
#include "bind/bind.h"

#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "bind/core.h"
#include "bind/handle.h"
#include "bind/value.h"
#include "cache/group.h"
#include "cache/reader.h"
#include "node/node.h"
#include "script/outcome.h"
#include "script/vm.h"

#define BIND_LOAD "groupcache.load"

static const uint64_t NO_DEADLINE_MS = (uint64_t)100 * 365 * 24 * 3600 * 1000;

/* A load under way in a group alone, until the Lua side ends it. */
struct load {
    struct waiter waiter;
    struct group *group;   /* a reference */
    struct flight *flight; /* the loader's reference; NULL once ended */
    struct group *joined;  /* of a load that another coroutine began, until the result is here */
    int ended;             /* the waiter was woken and has the result */
    int full;              /* the caller wants the value with its extras */
    struct result result;
};

/* The place of an item while its value is pushed. The handle's own place may be taken, by a push
 * that raised or runs further out in a finalizer. Then it is a userdata on the stack. Raises. */
static void **place_for_item(lua_State *L, struct handle *h)
{
    return h->held ? core_item_owner(L) : &h->held;
}

/* Pushes as value_push(), and empties the place. */
static int push_from(lua_State *L, const struct handle *h, void **place, enum source source,
                     int full)
{
    int n = value_push(L, h->group, *place, source, full);

    item_unref(*place);
    *place = NULL;
    return n;
}

/* --- hits --- */

enum {
    CLEAR_AT = 64,                 /* copies of no use, at which they are cleared */
    HIT_SAME_CLEAR = 1 + HIT_OTHER /* HIT_SAME, and copies are to be cleared */
};

/* Called through the FFI, like the next two: no lua_State, never raises. `key` is that of a string
 * of Lua, of which nothing is read. -> the place of the value's string, which is in main; or a
 * number below 0: nothing was done, recall() is to be called */
static int recall_held(void *handle, const char *key)
{
    struct handle *h = handle;

    if (!h->group || reader_left(h->reader) >= CLEAR_AT)
        return READER_NOWHERE;
    return reader_recall_held(h->reader, key);
}

/* -> enum hit or HIT_SAME_CLEAR, and the first fields of h */
static int recall(void *handle, const char *key, size_t key_len)
{
    struct handle *h = handle;
    struct recalled found;
    enum hit hit;

    if (!h->group) /* collected: as handle_check() */
        return HIT_NONE;
    hit = reader_recall(h->reader, key, key_len, &found);
    if (hit != HIT_NONE && !item_is_value(found.item))
        return HIT_NONE; /* core.wait() says why */
    if (hit != HIT_NONE) {
        h->value = item_value(found.item);
        h->value_len = (int)found.item->value_len;
        h->age = reader_age(h->reader);
        h->source = (int)found.source;
        h->place = found.place;
    }
    if (hit == HIT_SAME && reader_left(h->reader) >= CLEAR_AT)
        return HIT_SAME_CLEAR;
    return (int)hit;
}

/* After recall(), once the value was copied. value: the bytes of its string, which is kept like the
 * key's; NULL: they are not. -> a place whose copies are of no use, or a number below 0 */
static int settle(void *handle, const char *value)
{
    struct handle *h = handle;

    if (!h->group)
        return READER_NOWHERE;
    reader_let_go(h->reader);
    if (value)
        reader_hold(h->reader, value - sizeof(int)); /* its length is there */
    return reader_take_left(h->reader);
}

/* core.recall() -> addresses of recall_held(), recall() and settle() */
static int l_recall(lua_State *L)
{
    int (*first)(void *, const char *) = recall_held;
    int (*second)(void *, const char *, size_t) = recall;
    int (*third)(void *, const char *) = settle;
    void *address;

    memcpy(&address, &first, sizeof(address));
    lua_pushlightuserdata(L, address);
    memcpy(&address, &second, sizeof(address));
    lua_pushlightuserdata(L, address);
    memcpy(&address, &third, sizeof(address));
    lua_pushlightuserdata(L, address);
    return 3;
}

/* core.handle_address(handle) -> what recall() takes */
static int l_handle_address(lua_State *L)
{
    lua_pushlightuserdata(L, handle_check(L, 1));
    return 1;
}

/* core.forget(handle): empties all slots */
static int l_forget(lua_State *L)
{
    reader_forget_all(handle_check(L, 1)->reader);
    return 0;
}

/* core.max_key_bytes(handle, or nil in a VM of a node) -> the limit, or nil */
static int l_max_key_bytes(lua_State *L)
{
    struct vm *vm = lua_isnoneornil(L, 1) ? vm_of(L) : NULL;
    size_t max = vm ? vm_max_key_bytes(vm) : handle_check(L, 1)->max_key_bytes;

    if (!max)
        return 0;
    lua_pushnumber(L, (double)max);
    return 1;
}

/* core.hit(handle, key, full) -> value, nil, source | nil on a miss; full: a table with the value
 * and its extras */
static int l_hit(lua_State *L)
{
    struct handle *h = handle_check(L, 1);
    struct key_ref k = core_check_key(L, 2);
    int full = lua_toboolean(L, 3);
    void **place = place_for_item(L, h);
    enum source source;

    *place = group_lookup(h->group, &k, 0, &source);
    return *place ? push_from(L, h, place, source, full) : 0;
}

/* core.wait(handle, key, timeout_ms, full) -> value, nil, source | nil, message, code: blocks the
 * thread. To be called after a miss, which it does not count again. */
static int l_wait(lua_State *L)
{
    struct handle *h = handle_check(L, 1);
    struct key_ref k = core_check_key(L, 2);
    double timeout_ms = luaL_optnumber(L, 3, 0); /* node.lua has checked it */
    int full = lua_toboolean(L, 4);
    void **place = place_for_item(L, h);
    struct result r;

    if (group_wait(h->group, &k, (uint64_t)timeout_ms, &r))
        return core_error(L, &r.err);
    *place = r.item;
    return push_from(L, h, place, r.source, full);
}

/* --- a group alone --- */

static struct peer *no_owner(void *ctx, const void *key, size_t key_len)
{
    (void)ctx;
    (void)key;
    (void)key_len;
    return NULL;
}

static void note_flight(void *ctx, struct flight *f)
{
    struct handle *h = ctx;

    h->begun = f;
}

/* core.group_alone(name, numbers, content_type) -> handle */
static int l_group_alone(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1), *type = luaL_checkstring(L, 3);
    struct group_opts opts;
    struct handle *h;
    struct loader loader;

    core_check_numbers(L, 2, &opts);
    /* A load in the queue would wait for its own caller, and no thread would end it at a deadline.
     */
    opts.max_loads = opts.max_waiting = UINT64_MAX;
    opts.keep_old_ms = 0;
    opts.max_rate = 0;
    opts.refresh_ahead = 0;
    opts.timeout_ms = NO_DEADLINE_MS;
    opts.stale_while_revalidate_ms = 0; /* no thread runs a getter in the background */
    opts.hot = HOT_NEVER;               /* there is no other node */
    h = handle_new(L);
    loader = (struct loader){.ctx = h, .owner = no_owner, .local = note_flight, .by_caller = 1};
    mem_refill();
    h->group = group_new(name, type, &opts, &loader);
    h->reader = reader_new(h->group, 1);
    return 1;
}

static void load_wake(struct waiter *w, const struct result *r)
{
    struct load *l = list_entry(w, struct load, waiter);

    l->ended = 1;
    result_copy(&l->result, r);
}

static void load_drop(struct load *l)
{
    struct flight *f = l->flight;

    l->flight = NULL;
    if (f)
        group_finish_error(f, ERR_CLOSED, "the load was given up");
    if (l->joined && !l->ended)
        group_cancel(l->joined, &l->waiter);
    l->joined = NULL;
    item_unref(l->result.item);
    l->result.item = NULL;
    group_unref(l->group);
    l->group = NULL;
}

static int l_load_gc(lua_State *L)
{
    load_drop(luaL_checkudata(L, 1, BIND_LOAD));
    return 0;
}

/* Pushes value, nil, source | nil, message, code, and releases the value. */
static int push_end(lua_State *L, struct load *l)
{
    const struct group *g = l->group;
    int n = l->result.item ? value_push(L, g, l->result.item, l->result.source, l->full)
                           : core_error(L, &l->result.err);

    load_drop(l);
    return n;
}

/* Pushes the getter's own value, at the index, without a copy. */
static int push_given(lua_State *L, struct load *l, int index)
{
    enum source source = l->result.source;

    load_drop(l);
    lua_pushvalue(L, index);
    return core_source(L, source);
}

/* core.load_begin(handle, key, full) -> load, to be ended by load_end() | load, true: another
 * coroutine loads the key | value, nil, source: the group has the value by now | nil, message, code
 */
static int l_load_begin(lua_State *L)
{
    struct handle *h = handle_check(L, 1);
    struct key_ref k = core_check_key(L, 2);
    int full = lua_toboolean(L, 3);
    struct load *l = lua_newuserdata(L, sizeof(*l));

    memset(l, 0, sizeof(*l));
    luaL_getmetatable(L, BIND_LOAD);
    lua_setmetatable(L, -2);
    l->waiter.wake = load_wake;
    l->group = group_ref(h->group);
    l->full = full;
    h->begun = NULL;
    group_tick(h->group, clock_ms()); /* no other code does */
    if (group_load(h->group, &k, 0, &l->waiter, &l->result))
        return push_end(L, l);
    l->flight = h->begun;
    h->begun = NULL;
    if (l->flight)
        return 1;
    l->joined = h->group;
    lua_pushboolean(L, 1);
    return 2;
}

static struct load *check_load(lua_State *L)
{
    struct load *l = luaL_checkudata(L, 1, BIND_LOAD);

    luaL_argcheck(L, l->flight || l->joined, 1, "this load has ended");
    return l;
}

/* core.load_result(load) -> value, nil, source | nil, message, code | nothing: the other coroutine
 * has not ended the load | false: its value is too old for this one, which runs the getter itself
 */
static int l_load_result(lua_State *L)
{
    struct load *l = check_load(L);

    if (l->ended && l->waiter.late) {
        lua_pushboolean(L, 0);
        return 1;
    }
    return l->ended ? push_end(L, l) : 0;
}

/* core.load_circle(load) -> nil, message, "CYCLE": the caller may not wait for it */
static int l_load_circle(lua_State *L)
{
    struct load *l = check_load(L);
    struct error e;

    error_set(&e, ERR_CYCLE, "group %s: the getter asks for a key that it is loading",
              group_name(l->joined ? l->joined : l->flight->group));
    load_drop(l);
    return core_error(L, &e);
}

/* The caller has run the getter beside another coroutine's load: only the caller gets the result.
 */
static int push_own(lua_State *L, struct load *l, const struct outcome *o)
{
    load_drop(l);
    if (o->err.code)
        return core_error(L, &o->err);
    lua_pushvalue(L, 3);
    return core_source(L, SOURCE_LOCAL);
}

/* The same for a table. */
static int push_own_table(lua_State *L, struct load *l, const struct outcome *o)
{
    const struct key_ref no_key = {"", 0, 0};
    struct given v;

    outcome_give(o, &v);
    item_unref(l->result.item);
    l->result.item = group_keep_item(l->group, &no_key, &v, &l->result.err);
    l->result.source = SOURCE_LOCAL;
    return push_end(L, l);
}

/* The text of an error object. Protected, since the object's own code makes it. An error of that
 * code is dropped. */
static void speak(lua_State *L, struct outcome *o)
{
    struct outcome_speech s = {o, NULL};

    if (!o->object)
        return;
    lua_pushcfunction(L, outcome_speak);
    lua_pushlightuserdata(L, &s);
    lua_pushvalue(L, o->object);
    lua_pcall(L, 2, 0, 0);
    lua_settop(L, o->object);
}

/* core.load_end(load, as pcall() of the getter) -> value, nil, source | nil, message, code. On an
 * error, a stale value may be given instead. */
static int l_load_end(lua_State *L)
{
    struct load *l = check_load(L);
    const char *name = group_name(l->joined ? l->joined : l->flight->group);
    struct outcome o;
    struct given v;
    struct flight *f;

    if (lua_toboolean(L, 2)) {
        outcome_returned(L, 3, name, &o);
    } else {
        lua_settop(L, 3);
        outcome_thrown(L, 3, &o);
    }
    speak(L, &o);
    if (!o.err.code && o.same)
        error_set(&o.err, ERR_GETTER, "group %s: a getter of a group alone has no old value", name);
    if (l->joined && !o.err.code && (l->full || lua_istable(L, 3)))
        return push_own_table(L, l, &o);
    if (l->joined)
        return push_own(L, l, &o);
    f = l->flight;
    l->flight = NULL;
    if (o.err.code == ERR_NOTFOUND)
        group_end_not_found(f, o.err.msg, o.has_ttl ? &o.ttl_ms : NULL);
    else if (o.err.code)
        group_finish_error(f, o.err.code, "%s", o.err.msg);
    else {
        outcome_give(&o, &v);
        if (!group_end_given(f, &v, NULL) && !l->full && lua_type(L, 3) == LUA_TSTRING)
            return push_given(L, l, 3);
    }
    return push_end(L, l);
}

/* --- a group of a node in this process --- */

/* node:handle(name) -> handle | nil */
static int l_node_handle(lua_State *L)
{
    struct node *n = bind_node_check(L, 1);
    size_t len;
    const char *name = luaL_checklstring(L, 2, &len);
    struct handle *h = handle_new(L);

    h->group = node_group(n, name, len);
    if (!h->group)
        return 0;
    h->reader = reader_new(h->group, 1);
    h->changes = node_changes(n);
    h->max_key_bytes = node_max_key_bytes(n);
    return 1;
}

static const luaL_Reg load_methods[] = {
    {"__gc", l_load_gc},
    {NULL, NULL},
};

static const luaL_Reg node_methods[] = {
    {"handle", l_node_handle},
    {NULL, NULL},
};

void bind_library_open(lua_State *L)
{
    luaL_getmetatable(L, BIND_NODE);
    luaL_setfuncs(L, node_methods, 0);
    lua_pop(L, 1);
    core_new_class(L, BIND_LOAD, load_methods);
}

const luaL_Reg bind_library[] = {
    {"forget", l_forget},
    {"group_alone", l_group_alone},
    {"handle_address", l_handle_address},
    {"hit", l_hit},
    {"load_begin", l_load_begin},
    {"load_circle", l_load_circle},
    {"load_end", l_load_end},
    {"load_result", l_load_result},
    {"max_key_bytes", l_max_key_bytes},
    {"recall", l_recall},
    {"wait", l_wait},
    {NULL, NULL},
};
