-- SPDX-License-Identifier: MIT

--- Control workers whose script defines background functions, for unit specs: there is no node.
--
--   local background = require "unit.background"
--   background.script(text) -> worker   has run the script; no thread yet. The script has
--                                       define(name, every_ms, ready_timeout_ms, fn), wait(), which
--                                       ends with S.wake(), note(), block() and unblock()
--   background.sync(vm)                 returns when the VM's thread has run what is due
--   background.advance(vm, ms)          moves the clock, and has the thread notice
--   background.notes() -> { ms, ... }   when note() was called, since S.reset()
--   background.waiting()                returns when a function is in wait()
--   background.seen(each, of, name)     the statistics of a function, as a table
--   background.C, background.S          the engine; the C part of this: S.ready is what
--                                       background_new() takes, S.count_readies() how often it was
--                                       called

local eventually = require "support.eventually"
local ffi = require "ffi"
local C = require("support.unit").load("base/clock.h", "base/err.h", "base/log.h", "node/control.h",
  "script/background.h", "script/vm.h", "script/worker.h")

local S = require "unit.shim"([[
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/clock.h"
#include "base/err.h"
#include "base/inbox.h"
#include "script/background.h"
#include "script/defs.h"
#include "script/check.h"
#include "script/op.h"
#include "script/task.h"
#include "script/vm.h"

enum { GLOBALS = -10002, REGISTRY = -10000, MAX_NOTES = 64 };
void lua_setfield(struct lua_State *L, int index, const char *name);
void lua_pushcclosure(struct lua_State *L, int (*fn)(struct lua_State *L), int n);
void lua_settop(struct lua_State *L, int index);
void lua_pushvalue(struct lua_State *L, int index);
const char *lua_tolstring(struct lua_State *L, int index, size_t *n);
double lua_tonumber(struct lua_State *L, int index);
int lua_yield(struct lua_State *L, int n);
int luaL_ref(struct lua_State *L, int t);
int luaL_error(struct lua_State *L, const char *fmt, ...);

static atomic_int readies, n_notes, blocked, waits;
static atomic_ullong notes[MAX_NOTES];
static struct op op;

static int define(struct lua_State *L)
{
    struct vm *vm = vm_of(L);
    struct def_background d = {
        .name = (char *)(size_t)lua_tolstring(L, 1, NULL),
        .where = "script.lua:1",
        .every_ms = (uint64_t)lua_tonumber(L, 2),
        .ready_timeout_ms = (uint64_t)lua_tonumber(L, 3),
    };
    struct error e;

    lua_settop(L, 4);
    d.fn_ref = luaL_ref(L, REGISTRY);
    if (defs_add_background(vm_defs(vm), &d, &e))
        return luaL_error(L, "%s", e.msg);
    return 0;
}

static int note(struct lua_State *L)
{
    int i = atomic_load(&n_notes);

    (void)L;
    if (i < MAX_NOTES) {
        atomic_store(&notes[i], clock_ms());
        atomic_store(&n_notes, i + 1);
    }
    return 0;
}

static void op_free(struct op *o)
{
    (void)o;
}

static const struct op_kind op_kind = {.free = op_free};

static int wait_here(struct lua_State *L)
{
    struct strand *s = check_to_wait(L, "wait");

    memset(&op, 0, sizeof(op));
    op_init(&op, &op_kind, vm_of(L));
    task_wait_for(s, &op);
    atomic_store(&waits, 1);
    return lua_yield(L, 0);
}

static int block(struct lua_State *L)
{
    const struct timespec pause = {0, 1000000};

    (void)L;
    atomic_store(&blocked, 1);
    while (atomic_load(&blocked))
        nanosleep(&pause, NULL);
    return 0;
}

int open_core(struct lua_State *L)
{
    static const struct { const char *name; int (*fn)(struct lua_State *L); } all[] = {
        {"define", define}, {"note", note}, {"wait", wait_here}, {"block", block}};
    size_t i;

    for (i = 0; i < sizeof(all) / sizeof(*all); i++) {
        lua_pushcclosure(L, all[i].fn, 0);
        lua_setfield(L, GLOBALS, all[i].name);
    }
    return 0;
}

void ready(void *ctx)
{
    (void)ctx;
    atomic_fetch_add(&readies, 1);
}

void reset(void)
{
    atomic_store(&readies, 0);
    atomic_store(&n_notes, 0);
    atomic_store(&waits, 0);
}

int count_readies(void) { return atomic_load(&readies); }
int count_notes(void) { return atomic_load(&n_notes); }
uint64_t note_at(int i) { return atomic_load(&notes[i]); }
int is_blocked(void) { return atomic_load(&blocked); }
void unblock(void) { atomic_store(&blocked, 0); }
int is_waiting(void) { return atomic_load(&waits); }

void wake(void)
{
    atomic_store(&waits, 0);
    op_finish(&op);
}

struct sync {
    struct msg msg;
    atomic_int done;
};

static void synced(struct msg *m)
{
    atomic_store(&((struct sync *)(void *)m)->done, 1);
}

int sync_vm(struct vm *vm)
{
    const struct timespec pause = {0, 100000};
    struct sync s = {.msg = {.run = synced}};

    atomic_init(&s.done, 0);
    if (!inbox_post(vm_inbox(vm), &s.msg))
        return 0;
    while (!atomic_load(&s.done))
        nanosleep(&pause, NULL);
    return 1;
}

/* The statistics of one function. */
struct seen {
    char name[64], last_error[300];
    unsigned long long runs, errors, running_ms;
    int repeats, running, found;
};

static void see(void *arg, const struct background_stats *s)
{
    struct seen *seen = arg;

    if (strcmp(seen->name, s->name) != 0)
        return;
    seen->found = 1;
    seen->runs = s->runs;
    seen->errors = s->errors;
    seen->repeats = s->repeats;
    seen->running = s->running;
    seen->running_ms = s->running_ms;
    strncpy(seen->last_error, s->last_error ? s->last_error : "", sizeof(seen->last_error) - 1);
}

void (*seer(void))(void *, const struct background_stats *) { return see; }
]], [[
struct background_stats;
struct seen {
    char name[64], last_error[300];
    unsigned long long runs, errors, running_ms;
    int repeats, running, found;
};
int open_core(struct lua_State *L);
void ready(void *ctx);
void reset(void);
int count_readies(void);
int count_notes(void);
uint64_t note_at(int i);
int is_blocked(void);
void unblock(void);
int is_waiting(void);
void wake(void);
int sync_vm(struct vm *vm);
void (*seer(void))(void *, const struct background_stats *);
]])

local background = { C = C, S = S }

function background.script(text)
  local e, o = ffi.new "struct error", ffi.new "struct worker_opts"
  text = 'require "groupcache.core"\n' .. text
  o.vm.name, o.vm.open, o.vm.control = "control", S.open_core, 1
  local w = C.worker_new(o, e)
  assert(w ~= nil, ffi.string(e.msg))
  if C.vm_run_script(C.worker_vm(w), "script.lua", text, #text, e) ~= C.ERR_OK then
    C.worker_free(w)
    error(ffi.string(e.msg), 2)
  end
  return w
end

-- Timers run after messages: what is due at the first has run at the second.
function background.sync(vm)
  assert(S.sync_vm(vm) == 1 and S.sync_vm(vm) == 1, "the VM's thread has ended")
end

function background.advance(vm, ms)
  C.clock_advance(ms)
  background.sync(vm)
end

function background.notes()
  local list = {}
  for i = 0, S.count_notes() - 1 do
    list[i + 1] = tonumber(S.note_at(i))
  end
  return list
end

--- The statistics of a function, from what calls fn(arg, stats) for each.
function background.seen(each, of, name)
  local seen = ffi.new "struct seen"
  seen.name = name
  each(of, S.seer(), seen)
  assert(seen.found == 1, "no function " .. name)
  return { runs = tonumber(seen.runs), errors = tonumber(seen.errors), repeats = seen.repeats == 1,
    running = seen.running == 1, running_ms = tonumber(seen.running_ms),
    last_error = ffi.string(seen.last_error) }
end

function background.waiting()
  eventually(function() return S.is_waiting() == 1 end, 10, "it waits")
end

return background
