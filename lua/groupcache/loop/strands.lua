-- SPDX-License-Identifier: MIT
-- groupcache.loop.strands: getters, and the functions that they spawn, as coroutines of another
-- event loop. Each strand waits by itself, for ops or for things of the loop, and the loop resumes
-- it.

local core = require "groupcache.core"
local guard = require "groupcache.guard"
local wait = require "groupcache.wait"

local strands = {}

local resumers, depth = guard.resumers, guard.depth
local running = coroutine.running
local weak = { __mode = "k" }

-- Of a strand: the task that it runs. Of a coroutine: its strand; the task that it waits for.
local task_of = setmetatable({}, weak)
local strand_of = setmetatable({}, weak)
local waits_for = setmetatable({}, weak)

-- The loop's functions: for a strand that yielded to the loop, and for coroutine.resume(strand).
local yielded, resumed

local function settle(task, ok, ...)
  task.done, task.ok = true, ok
  task.n, task.results = select("#", ...), { ... }
  for _, signal in ipairs(task.waiters) do
    core.fire(signal)
  end
end

-- As coroutine.resume(): a strand that is not parked, or has ended, cannot be resumed.
local function resume(co, ...)
  local strand = strand_of[co]
  local state = core.strand_state(strand)
  if state ~= "parked" then
    return false, state == "gone" and "cannot resume dead coroutine"
      or ("cannot resume a getter that is %s"):format(state)
  end
  return resumed(strand, ...)
end

--- Makes a coroutine known as a strand.
function strands.know(strand, co)
  strand_of[co], resumers[co] = strand, resume
end

--- The loop does not know the values that the strand yielded: its task or getter fails.
function strands.stray(strand)
  local task = task_of[strand]
  if task then
    core.drop(strand)
    settle(task, false, "a spawned function yielded: only functions of this API may yield")
  else
    core.fail(strand, "the getter yielded: only functions of this API may yield")
  end
end

local function spawn(fn, ...)
  local me = running()
  local task = setmetatable({ waiters = {} }, wait.Task)
  local own = depth[me] or 0
  if own >= guard.max_nested then
    settle(task, false, guard.too_deep)
    return task
  end
  local strand, co = core.strand(function(...) settle(task, pcall(fn, ...)) end)
  strands.know(strand, co)
  task_of[strand], task.co, depth[co] = task, co, own + 1
  yielded(strand, core.run(strand, ...))
  return task
end

local function join(task)
  local me, other = running(), task
  while other do
    if other.co == me then
      error("task:wait: waits for a task that waits for it", 0)
    end
    other = waits_for[other.co]
  end
  local signal = core.signal()
  table.insert(task.waiters, signal)
  waits_for[me] = task
  core.await(signal, "task:wait")
  waits_for[me] = nil
end

--- Lets getters wait in this way from now on.
-- @param loop_yielded(strand, parked, ...) gets what core.run() returned for another strand
-- @param loop_resumed(strand, ...) as coroutine.resume(): resumes a parked strand
function strands.use(loop_yielded, loop_resumed)
  yielded, resumed = loop_yielded, loop_resumed
  wait.await, wait.spawn, wait.join = core.await, spawn, join
end

return strands
