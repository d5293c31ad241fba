/* SPDX-License-Identifier: MIT */
#include "script/getter.h"

#include <lua.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/traceparent.h"
#include "cache/group.h"
#include "cache/packed.h"
#include "script/defs.h"
#include "script/extras.h"
#include "script/outcome.h"
#include "script/task.h"
#include "script/trace.h"
#include "script/vm.h"

struct getter {
    struct task task; /* its `flight` holds the loader's reference */
    const struct def *def;
    struct item *old; /* a reference, or NULL: ctx.old */
    void (*ended)(struct flight *f);
};

/* --- the getter's arguments --- */

/* Puts what the flight knows of its request into the ctx on the stack. */
static void set_info(lua_State *L, const struct flight *f)
{
    const char *at = f->info, *end = f->info + f->info_len;

    lua_newtable(L);
    while (at < end) {
        const char *value = at + strlen(at) + 1;

        if (*at == *FLIGHT_BODY) {
            lua_pushlstring(L, value, (size_t)(end - value));
            lua_setfield(L, -3, "body");
            break;
        }
        lua_pushstring(L, value);
        if (*at)
            lua_setfield(L, -2, at);
        else
            lua_setfield(L, -3, "peer");
        at = value + strlen(value) + 1;
    }
    lua_setfield(L, -2, "headers");
}

static void set_old(lua_State *L, struct item *old)
{
    size_t n;
    const char *extra = item_extra(old, &n);

    lua_createtable(L, 0, 4);
    lua_pushlstring(L, item_value(old), old->value_len);
    lua_setfield(L, -2, "value");
    lua_pushnumber(L, (double)item_age_s(old, clock_ms()));
    lua_setfield(L, -2, "age");
    extras_set(L, extra, n);
    lua_setfield(L, -2, "old");
}

static void set_trace(lua_State *L, const struct traceparent *t)
{
    lua_pushstring(L, t->text);
    lua_setfield(L, -2, "traceparent");
    if (!*t->state)
        return;
    lua_pushstring(L, t->state);
    lua_setfield(L, -2, "tracestate");
}

/* The getter's second argument. The key is on top of the stack. */
static void push_ctx(lua_State *L, const struct def *def, const struct flight *f, struct item *old)
{
    lua_createtable(L, 0, 6);
    lua_pushstring(L, def->name);
    lua_setfield(L, -2, "group");
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "key");
    lua_pushnumber(L, (double)f->deadline_ms / 1000);
    lua_setfield(L, -2, "deadline");
    lua_pushboolean(L, f->from_peer);
    lua_setfield(L, -2, "from_peer");
    if (f->info)
        set_info(L, f);
    if (old)
        set_old(L, old);
    if (f->trace)
        set_trace(L, f->trace);
}

static int getter_push(lua_State *L, struct task *t)
{
    const struct getter *g = (struct getter *)(void *)t;
    const struct def *def = g->def;
    const struct flight *f = t->flight;

    lua_rawgeti(L, LUA_REGISTRYINDEX, def->getter_ref);
    lua_pushlstring(L, f->key, f->key_len);
    if (def->takes_ctx)
        push_ctx(L, def, f, g->old);
    return 1 + def->takes_ctx;
}

/* --- the end --- */

static void set_timeout(const struct getter *g, struct outcome *o)
{
    const struct group_opts *opts = &g->def->opts;

    if (task_spent(&g->task) && !task_overdue(&g->task))
        error_set(&o->err, ERR_TIMEOUT, "group %s: the getter computed for %g s (cpu_timeout)",
                  g->def->name, (double)opts->cpu_timeout_ms / 1000);
    else
        error_set(&o->err, ERR_TIMEOUT, "group %s: the getter took longer than %g s", g->def->name,
                  (double)opts->timeout_ms / 1000);
}

/* Gets the text of an error object from the object's own code, which may run too long. */
static void speak(struct getter *g, struct outcome *o)
{
    struct outcome_speech s = {o, g->task.own.co};

    if (o->object && !task_call(&g->task, outcome_speak, &s) &&
        (task_overdue(&g->task) || task_spent(&g->task)))
        set_timeout(g, o);
}

static void log_thrown(const struct getter *g, const char *text)
{
    const struct flight *f = g->task.flight;
    char fields[500], key[100]; /* a group's name has at most 255 bytes */
    char trace[TRACEPARENT_ID_BYTES + 1] = "";

    snprintf(fields, sizeof(fields), "group=%s key=%s%s%s", g->def->name,
             log_quote(key, sizeof(key), f->key, f->key_len), f->trace ? " trace=" : "",
             f->trace ? traceparent_id(f->trace, trace) : "");
    trace_text(vm_state(g->task.vm), g->task.own.co, text, "getter threw", fields);
}

static void judge(struct getter *g, enum task_end how, const struct error *e, struct outcome *o)
{
    lua_State *co = g->task.own.co;

    if (how == TASK_RETURNED) {
        outcome_returned(co, 1, g->def->name, o);
        speak(g, o);
    } else if (how == TASK_THREW) {
        outcome_thrown(co, lua_gettop(co), o);
        speak(g, o);
        log_thrown(g, o->err.msg);
        outcome_hide_place(o);
    } else if (e->code == ERR_TIMEOUT) {
        set_timeout(g, o);
    } else {
        o->err = *e;
    }
}

/* The getter says that the old value is still right. */
static void use_old(struct item *old, const char *group, struct outcome *o)
{
    const char *extra;
    size_t n = 0;

    if (!old) {
        error_set(&o->err, ERR_GETTER,
                  "group %s: the getter returned groupcache.same, and ctx.old is nil", group);
        return;
    }
    o->value = item_value(old);
    o->n = old->value_len;
    extra = item_extra(old, &n);
    if (n && n <= sizeof(o->extra.bytes))
        memcpy(o->extra.bytes, extra, o->extra.n = n);
}

/* The value is on the coroutine's stack, and stays there until the flight has ended: task_leave()
 * says why. */
static void getter_end(struct task *t, enum task_end how, const struct error *e)
{
    struct getter *g = (struct getter *)(void *)t;
    struct flight *f = t->flight;
    struct item *old = g->old;
    struct outcome o;
    struct given v;

    judge(g, how, e, &o);
    if (!o.err.code && o.same)
        use_old(old, g->def->name, &o);
    task_leave(t);
    g->ended(f);
    mem_free(g);
    if (o.err.code == ERR_NOTFOUND)
        group_end_not_found(f, o.err.msg, o.has_ttl ? &o.ttl_ms : NULL);
    else if (o.err.code)
        group_finish_error(f, o.err.code, "%s", o.err.msg);
    else {
        outcome_give(&o, &v);
        group_end_given(f, &v, NULL);
    }
    item_unref(old);
}

static const struct task_kind kind = {.noun = "the getter", .push = getter_push, .end = getter_end};

/* A reference to the value that the getter may see as ctx.old, or NULL. */
static struct item *old_value(const struct def *def, const struct flight *f)
{
    struct key_ref k = flight_key(f);
    struct item *it = NULL, *packed;
    enum source source;
    struct error e;

    if (def->opts.keep_old_ms && def->takes_ctx)
        it = group_peek(f->group, &k, &source);
    if (it && item_is_packed(it)) {
        packed = it;
        it = packed_open(packed, &e);
        item_unref(packed);
    }
    if (!it || item_is_value(it))
        return it;
    item_unref(it); /* an answer such as 404 is no value */
    return NULL;
}

void getter_start(struct vm *vm, struct flight *f, void (*ended)(struct flight *f))
{
    const struct def *def = defs_find(vm_defs(vm), group_name(f->group));
    struct getter *g;

    if (!def) {
        ended(f);
        group_finish_error(f, ERR_CLOSED, "group %s is no longer defined", group_name(f->group));
        return;
    }
    g = mem_zalloc(sizeof(*g));
    g->task.kind = &kind;
    g->task.vm = vm;
    g->task.flight = f;
    g->task.place = def->opts.max_keys > 1 ? FLIGHT_WAITING : FLIGHT_RUNNING;
    g->task.max_bytes = (size_t)def->opts.max_value_bytes;
    g->task.deadline_ms = f->deadline_ms;
    g->task.turn.burst_ms = def->opts.burst_ms;
    g->task.turn.cpu_ms = def->opts.cpu_timeout_ms;
    g->def = def;
    g->old = old_value(def, f);
    g->ended = ended;
    flight_begins(f);
    task_start(&g->task);
}
