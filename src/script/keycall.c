/* SPDX-License-Identifier: MIT */
#include "script/keycall.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pct.h"
#include "base/seldom.h"
#include "cache/group.h"
#include "script/defs.h"
#include "script/outcome.h"
#include "script/trace.h"
#include "script/vm.h"

enum {
    CPU_MS = 50,    /* processor time: a busy machine may take it away for longer */
    LATE_MS = 1000, /* of a function that blocks */
    FAILED = 500,   /* the status if the function is at fault */
    REFUSED = 400,  /* the status if the function chooses none */
    LAST_CHOICE = 499,
    HINT = 64 /* the most places that a table has from the start */
};

/* --- the arguments --- */

/* Pushes the n bytes, decoded as in a form; as they are if they cannot be. `room` has n bytes. */
static void push_decoded(lua_State *L, const char *text, size_t n, char *room)
{
    ssize_t plain = pct_decode(room, text, n, 1);

    if (plain < 0)
        lua_pushlstring(L, text, n);
    else
        lua_pushlstring(L, room, (size_t)plain);
}

/* Pushes a table: the pairs as they came, 1 to n, and the values by name, both decoded. The last
 * pair of a name counts. */
static void push_query(lua_State *L, const char *at, size_t left)
{
    char *room = lua_newuserdata(L, left + 1);
    int i = 0;

    lua_newtable(L);
    while (left) {
        const char *end = memchr(at, '&', left), *equals;
        size_t n = end ? (size_t)(end - at) : left, name;

        left -= n + (end ? 1 : 0);
        equals = memchr(at, '=', n);
        name = equals ? (size_t)(equals - at) : n;
        if (n) {
            lua_pushlstring(L, at, n);
            lua_rawseti(L, -2, ++i);
            push_decoded(L, at, name, room);
            push_decoded(L, at + name + (equals ? 1 : 0), n - name - (equals ? 1 : 0), room);
            lua_rawset(L, -3);
        }
        at += n + 1;
    }
    lua_remove(L, -2);
}

struct header {
    const char *name, *value;
};

/* By name; those of one name as they came. */
static int by_name(const void *a, const void *b)
{
    const struct header *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    if (order)
        return order;
    return x->name < y->name ? -1 : 1;
}

/* Sets the field of the table below the top: the values of n headers of one name. */
static void set_header(lua_State *L, const struct header *list, size_t n)
{
    luaL_Buffer b;
    size_t i;

    lua_pushstring(L, list[0].name);
    luaL_buffinit(L, &b);
    for (i = 0; i < n; i++) {
        if (i)
            luaL_addstring(&b, ", ");
        luaL_addstring(&b, list[i].value);
    }
    luaL_pushresult(&b);
    lua_rawset(L, -3);
}

static size_t count_nuls(const char *at, size_t n)
{
    size_t count = 0;

    for (; n; at++, n--)
        count += *at == '\0';
    return count;
}

/* Pushes a table of headers by name. Sorted first: a client may repeat one ten thousand times. */
static void push_headers(lua_State *L, const char *at, size_t bytes)
{
    size_t n = count_nuls(at, bytes) / 2, i, same;
    struct header *list = lua_newuserdata(L, (n + 1) * sizeof(*list));

    for (i = 0; i < n; i++) {
        list[i].name = at;
        list[i].value = at + strlen(at) + 1;
        at = list[i].value + strlen(list[i].value) + 1;
    }
    qsort(list, n, sizeof(*list), by_name);
    lua_createtable(L, 0, n < HINT ? (int)n : HINT);
    for (i = 0; i < n; i += same) {
        for (same = 1; i + same < n && strcmp(list[i].name, list[i + same].name) == 0; same++)
            ;
        set_header(L, list + i, same);
    }
    lua_remove(L, -2);
}

static const struct def *def_of(const struct keycall *c)
{
    return defs_find(vm_defs(c->task.vm), group_name(c->group));
}

static int push(lua_State *L, struct task *t)
{
    const struct keycall *c = (struct keycall *)(void *)t;
    const struct keyask_request *r = &c->request;
    const struct def *def = def_of(c);
    const char *text = r->text.data ? r->text.data : "";
    size_t before = r->path_len + r->query_len;

    lua_rawgeti(L, LUA_REGISTRYINDEX, def->key_ref);
    lua_pushlstring(L, text, r->path_len);
    if (def->key_args > 1)
        push_query(L, text + r->path_len, r->query_len);
    if (def->key_args > 2)
        push_headers(L, text + before, r->text.len - before);
    return def->key_args;
}

/* --- the answer --- */

static void log_failed(const struct keycall *c)
{
    static struct seldom failures;
    char text[2 * ERROR_TEXT];
    unsigned count = seldom_count(&failures);

    if (count)
        log_error("script", "a key function failed", "group=%s count=%u error=%s",
                  group_name(c->group), count,
                  log_quote(text, sizeof(text), c->err.msg, strlen(c->err.msg)));
}

/* The function is at fault. */
static void blame(struct keycall *c, const char *what)
{
    error_set(&c->err, ERR_GETTER, "group %s: the key function %s", group_name(c->group), what);
    c->status = FAILED;
    log_failed(c);
}

/* nil, status, message, or nil, message: the request has no key. */
static void refuse(struct keycall *c, lua_State *co)
{
    int chosen = lua_type(co, 2) == LUA_TNUMBER, at = chosen ? 3 : 2;
    double status = chosen ? lua_tonumber(co, 2) : REFUSED;
    int is_text = lua_type(co, at) == LUA_TSTRING;

    if (!(status >= REFUSED && status <= LAST_CHOICE) || status != (int)status) {
        blame(c, "returned nil and a status that is not one of 400 to 499");
    } else if (!is_text && !lua_isnil(co, at)) {
        blame(c, "returned nil and a message that is not a string");
    } else {
        c->status = (int)status;
        error_set(&c->err, c->status == 404 ? ERR_NOTFOUND : ERR_INVAL, "%s",
                  is_text ? lua_tostring(co, at) : "the key function made no key of the request");
    }
}

static void returned(struct keycall *c, lua_State *co)
{
    char what[80];
    const char *key;

    lua_settop(co, 3);
    if (lua_isnil(co, 1)) {
        refuse(c, co);
        return;
    }
    if (lua_type(co, 1) != LUA_TSTRING) {
        snprintf(what, sizeof(what), "returned a %s, and must return a string",
                 luaL_typename(co, 1));
        blame(c, what);
        return;
    }
    key = lua_tolstring(co, 1, &c->key_len);
    if (!c->key_len) {
        c->status = REFUSED;
        error_set(&c->err, ERR_INVAL, "the key function made an empty key of the request");
        return;
    }
    c->key = mem_alloc(c->key_len);
    if (c->key)
        memcpy(c->key, key, c->key_len);
    else
        error_set(&c->err, ERR_NOMEM, "no memory for a key");
}

/* The text of what it threw, and its trace in the log: once a second, since clients may choose the
 * text. */
static void threw(struct keycall *c)
{
    static struct seldom throws;
    struct task *t = &c->task;
    int top = lua_gettop(t->own.co), type = lua_type(t->own.co, top);
    unsigned count = seldom_count(&throws);
    char fields[300];
    struct outcome o;
    struct outcome_speech s = {&o, t->own.co};

    outcome_thrown(t->own.co, top, &o);
    if (type != LUA_TSTRING && type != LUA_TNUMBER)
        error_set(&o.err, ERR_GETTER, "the key function threw a %s", lua_typename(t->own.co, type));
    if (o.object)
        task_call(t, outcome_speak, &s);
    if (count) {
        snprintf(fields, sizeof(fields), "group=%s count=%u", group_name(c->group), count);
        trace_text(vm_state(t->vm), t->own.co, o.err.msg, "a key function threw", fields);
    }
    outcome_hide_place(&o);
    c->err = o.err;
    c->status = FAILED;
}

static void failed(struct keycall *c, const struct error *why)
{
    c->err = *why;
    if (why->code == ERR_CLOSED) { /* at a stop nobody waits for it; else it was stuck in C */
        error_set(&c->err, ERR_CLOSED, "group %s: the key function was ended with its VM",
                  group_name(c->group));
        return;
    }
    if (why->code == ERR_TIMEOUT && task_spent(&c->task) && !task_overdue(&c->task))
        error_set(&c->err, ERR_TIMEOUT, "group %s: the key function computed for more than %d ms",
                  group_name(c->group), CPU_MS);
    else if (why->code == ERR_TIMEOUT)
        error_set(&c->err, ERR_TIMEOUT, "group %s: the key function took longer than %d s",
                  group_name(c->group), LATE_MS / 1000);
    c->status = why->code == ERR_GETTER ? FAILED : 0;
    log_failed(c);
}

static void end(struct task *t, enum task_end how, const struct error *e)
{
    struct keycall *c = (struct keycall *)(void *)t;

    if (how == TASK_RETURNED)
        returned(c, t->own.co);
    else if (how == TASK_THREW)
        threw(c);
    else
        failed(c, e);
    task_leave(t);
    if (how != TASK_FAILED || e->code != ERR_CLOSED)
        group_count_key(c->group, !c->key && (c->status == 0 || c->status == FAILED));
    c->ended(c);
}

static const struct task_kind kind = {
    .noun = "the key function", .push = push, .end = end, .cannot_wait = 1};

void keycall_start(struct vm *vm, struct keycall *c)
{
    struct task *t = &c->task;
    const struct def *def;

    memset(t, 0, sizeof(*t));
    t->kind = &kind;
    t->vm = vm;
    t->deadline_ms = clock_ms() + LATE_MS;
    t->turn.cpu_ms = CPU_MS;
    def = def_of(c);
    if (def && def->key_args) {
        task_start(t);
        return;
    }
    error_set(&c->err, ERR_CLOSED,
              "group %s: its script was reloaded meanwhile, and has no key "
              "function any more",
              group_name(c->group));
    c->ended(c);
}
