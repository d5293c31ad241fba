-- SPDX-License-Identifier: MIT

-- A worker that takes no loads: on its thread run functions of the script that are no getters. They
-- may wait for as long as they like, and compute for a turn at a time.

local eventually = require "support.eventually"
local ffi = require "ffi"
local C = require("support.unit").load("base/clock.h", "base/err.h", "script/op.h",
  "script/task.h", "script/vm.h", "script/worker.h")

-- job_begin() has the worker call the script's function of that name, and the job says what came of
-- it. The function may call wait(), which ends with job_wake().
local S = require "unit.shim"([[
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/err.h"
#include "base/inbox.h"
#include "script/check.h"
#include "script/op.h"
#include "script/task.h"
#include "script/vm.h"

enum { GLOBALS = -10002 };
void lua_getfield(struct lua_State *L, int index, const char *name);
void lua_setfield(struct lua_State *L, int index, const char *name);
void lua_pushcclosure(struct lua_State *L, int (*fn)(struct lua_State *L), int n);
int lua_yield(struct lua_State *L, int n);
const char *lua_tolstring(struct lua_State *L, int index, size_t *n);

struct job {
    struct task task;
    struct msg msg;
    struct op op;
    char name[32], text[300];
    int end, code;
    atomic_int waits, ended;
};

static struct job *running;

static int push(struct lua_State *L, struct task *t)
{
    lua_getfield(L, GLOBALS, ((struct job *)(void *)t)->name);
    return 0;
}

static void end(struct task *t, enum task_end how, const struct error *e)
{
    struct job *j = (struct job *)(void *)t;
    const char *text = e ? e->msg : lua_tolstring(t->own.co, -1, NULL);

    j->end = how;
    j->code = e ? (int)e->code : 0;
    snprintf(j->text, sizeof(j->text), "%s", text ? text : "");
    task_leave(t);
    atomic_store(&j->ended, 1);
}

static const struct task_kind kind = {.noun = "the job", .push = push, .end = end};

static void begin(struct msg *m)
{
    struct job *j = (struct job *)(void *)((char *)m - offsetof(struct job, msg));

    running = j;
    task_start(&j->task);
}

struct job *job_begin(struct vm *vm, const char *name, unsigned turn_ms)
{
    struct job *j = calloc(1, sizeof(*j));

    j->task.kind = &kind;
    j->task.vm = vm;
    j->task.deadline_ms = TASK_NO_DEADLINE_MS;
    j->task.turn.bound_ms = turn_ms;
    snprintf(j->name, sizeof(j->name), "%s", name);
    j->msg.run = begin;
    return inbox_post(vm_inbox(vm), &j->msg) ? j : NULL;
}

static void op_free(struct op *op)
{
    (void)op;
}

static const struct op_kind op_kind = {.free = op_free};

static int wait_here(struct lua_State *L)
{
    struct strand *s = check_to_wait(L, "wait");

    op_init(&running->op, &op_kind, running->task.vm);
    task_wait_for(s, &running->op);
    atomic_store(&running->waits, 1);
    return lua_yield(L, 0);
}

int open_core(struct lua_State *L)
{
    lua_pushcclosure(L, wait_here, 0);
    return 1;
}

void job_wake(struct job *j)
{
    atomic_store(&j->waits, 0);
    op_finish(&j->op);
}

int job_waits(struct job *j) { return atomic_load(&j->waits); }
int job_ended(struct job *j) { return atomic_load(&j->ended); }
int job_end(struct job *j) { return j->end; }
int job_code(struct job *j) { return j->code; }
const char *job_text(struct job *j) { return j->text; }
struct flight *job_flight(struct job *j) { return j->task.flight; }
void job_free(struct job *j) { free(j); }
]], [[
struct job;
struct job *job_begin(struct vm *vm, const char *name, unsigned turn_ms);
void job_wake(struct job *j);
int job_waits(struct job *j);
int job_ended(struct job *j);
struct flight *job_flight(struct job *j);
void job_free(struct job *j);
int job_end(struct job *j);
int job_code(struct job *j);
const char *job_text(struct job *j);
int open_core(struct lua_State *L);
]])

local SCRIPT = [[
local wait = require "groupcache.core"
function returns() return "done" end
function throws() error("kaboom", 0) end
function loops() while true do pcall(function() while true do end end) end end
function waits()
  for i = 1, 3 do wait() end
  return "waited"
end
function waits_and_loops()
  wait()
  while true do end
end
]]

describe("a worker without loads", function()
  local w, vm, jobs
  local e = ffi.new "struct error"

  before_each(function()
    local o = ffi.new "struct worker_opts"
    o.vm.name, o.vm.open = "control", S.open_core
    w = C.worker_new(o, e)
    assert(w ~= nil, ffi.string(e.msg))
    vm, jobs = C.worker_vm(w), {}
    assert.equal(C.ERR_OK, C.vm_run_script(vm, "script.lua", SCRIPT, #SCRIPT, e))
    assert.equal(C.ERR_OK, C.worker_start(w, e))
  end)

  after_each(function()
    assert.equal(1, C.worker_stop(w, C.clock_ms() + 5000))
    C.worker_free(w)
    for _, job in ipairs(jobs) do
      S.job_free(job)
    end
  end)

  local function begin(name, turn_ms)
    local job = S.job_begin(vm, name, turn_ms)
    assert(job ~= nil, "refused")
    jobs[#jobs + 1] = job
    return job
  end

  local function end_of(job)
    eventually(function() return S.job_ended(job) == 1 end, 10, "the job has ended")
    return { S.job_end(job), S.job_code(job), ffi.string(S.job_text(job)) }
  end

  it("runs a function, and tells its result or error", function()
    local job = begin("returns", 1000)
    assert.same({ tonumber(C.TASK_RETURNED), 0, "done" }, end_of(job))
    assert.is_true(S.job_flight(job) == nil)
    assert.same({ tonumber(C.TASK_THREW), 0, "kaboom" }, end_of(begin("throws", 1000)))
  end)

  it("stops one that computes for longer than its turn, and goes on", function()
    local late = { tonumber(C.TASK_FAILED), tonumber(C.ERR_TIMEOUT),
      "the job took longer than its timeout" }
    assert.same(late, end_of(begin("loops", 50)))
    assert.equal(0, C.worker_stuck(w, C.clock_ms(), 0))
    assert.same({ tonumber(C.TASK_RETURNED), 0, "done" },
      end_of(begin("returns", 1000)))
  end)

  it("lets one wait for longer than a turn, each time", function()
    local job = begin("waits", 1000)
    for _ = 1, 3 do
      eventually(function() return S.job_waits(job) == 1 end)
      C.clock_advance(3600 * 1000)
      eventually(function() return C.worker_stuck(w, C.clock_ms(), 0) == 0 end)
      S.job_wake(job)
    end
    assert.same({ tonumber(C.TASK_RETURNED), 0, "waited" }, end_of(job))
  end)

  it("counts a turn from the end of a wait", function()
    local job = begin("waits_and_loops", 50)
    eventually(function() return S.job_waits(job) == 1 end)
    C.clock_advance(3600 * 1000)
    S.job_wake(job)
    assert.equal(tonumber(C.ERR_TIMEOUT), end_of(job)[2])
  end)

  it("ends with its waiting tasks when it is stopped", function()
    local job = begin("waits", 1000)
    eventually(function() return S.job_waits(job) == 1 end)
    assert.equal(1, C.worker_stop(w, C.clock_ms() + 5000))
    assert.same({ tonumber(C.TASK_FAILED), tonumber(C.ERR_CLOSED), "the node is stopping" },
      end_of(job))
    S.job_wake(job)
    assert.equal(0, C.vm_ops(vm))
  end)

  it("retires once the last has ended", function()
    local job = begin("waits", 1000)
    eventually(function() return S.job_waits(job) == 1 end)
    C.worker_retire(w)
    assert.equal(0, C.worker_join(w))
    for _ = 1, 3 do
      eventually(function() return S.job_waits(job) == 1 end)
      S.job_wake(job)
    end
    assert.same({ tonumber(C.TASK_RETURNED), 0, "waited" }, end_of(job))
    eventually(function() return C.worker_join(w) == 1 end)
  end)
end)
