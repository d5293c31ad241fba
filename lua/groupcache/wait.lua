-- SPDX-License-Identifier: MIT
-- groupcache.wait: several waits at once inside one getter.
--
-- A getter may spawn functions; each runs as a strand of the getter's task, its child. Each strand
-- waits by itself, so the end of an op resumes the one strand that waits for it, however many
-- others there are. When a getter is stopped, its children end too.
--
-- The worker resumes strands; under another event loop, that loop does (groupcache.loop.*).

local core = require "groupcache.core"

-- The VMs of a node require it first. Elsewhere nothing can wait, or be spawned.
local guard = package.loaded["groupcache.guard"] or { resumers = {}, depth = {} }

local wait = {}

local resumers, depth = guard.resumers, guard.depth
local running = coroutine.running
local weak = { __mode = "k" }

-- Of a strand: the task that it runs. Of a coroutine: its strand; the task that it waits for.
local task_of = setmetatable({}, weak)
local strand_of = setmetatable({}, weak)
local waits_for = setmetatable({}, weak)

local Task = {}
Task.__index = Task
Task.__name = "groupcache.task"
wait.Task = Task

local function settle(task, ok, ...)
  task.done, task.ok = true, ok
  task.n, task.results = select("#", ...), { ... }
  for _, signal in ipairs(task.waiters) do
    core.fire(signal)
  end
end

--- A strand has yielded values that the loop does not know: its task or getter fails.
function wait.stray(strand)
  local task = task_of[strand]
  if task then
    core.drop(strand)
    settle(task, false, "a spawned function yielded: only functions of this API may yield")
  else
    core.fail(strand, "the getter yielded: only functions of this API may yield")
  end
end

-- The loop's functions: for a strand that yielded to the loop, and for coroutine.resume(strand).
local yielded, resumed

function yielded(strand, is_parked)
  if is_parked then
    wait.stray(strand)
  end
end

-- As coroutine.resume(): a strand that is not parked, or has ended, cannot be resumed.
local function resume(co, ...)
  local strand = strand_of[co]
  local state = core.strand_state(strand)
  if state == "gone" then
    return false, "cannot resume dead coroutine"
  elseif not resumed or state ~= "parked" and state ~= "set aside" then
    return false, ("cannot resume a getter that is %s"):format(state)
  end
  return resumed(strand, state, ...)
end

--- Makes a coroutine known as a strand.
function wait.know(strand, co)
  strand_of[co], resumers[co] = strand, resume
end

--- Lets another event loop resume the strands from now on.
-- @param loop_yielded(strand, parked, ...) gets what core.run() returned for a child
-- @param loop_resumed(strand, state, ...) as coroutine.resume(): resumes a strand that is parked,
-- or set aside before it could park
function wait.use(loop_yielded, loop_resumed)
  yielded, resumed = loop_yielded, loop_resumed
end

--- Waits until an op has ended: await(op, what). `what` is the caller's name, for messages.
wait.await = core.await

--- Raises where await() would, in the name of `what`, at the line of the caller's caller.
wait.check = core.check_can_await

--- Runs fn(...) as a child of the getter that runs, until it waits.
-- @return the task
function wait.spawn(fn, ...)
  local own = depth[running()] or 0
  local task = setmetatable({ waiters = {} }, Task)
  if own >= guard.max_nested then
    settle(task, false, guard.too_deep)
    return task
  end
  local strand, co = core.strand(function(...) settle(task, pcall(fn, ...)) end)
  wait.know(strand, co)
  task_of[strand], task.co, depth[co] = task, co, own + 1
  yielded(strand, core.run(strand, ...))
  return task
end

-- Waits until a task has ended; it runs now.
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

--- Waits until the task has ended.
-- @return the results of its function; raises its error
function Task:wait()
  if not self.done then
    join(self)
  end
  if not self.ok then
    error(self.results[1], 0)
  end
  return unpack(self.results, 1, self.n)
end

function Task:__tostring()
  return ("groupcache.task(%s)"):format(self.done and "ended" or "running")
end

--- Runs functions at the same time, waits for all, in the order of the keys.
-- @return three tables with these keys: their first, second and third results
function wait.all(functions, keys)
  local tasks, values, errors, codes = {}, {}, {}, {}
  for i, key in ipairs(keys) do
    tasks[i] = wait.spawn(functions[key])
  end
  for i, key in ipairs(keys) do
    values[key], errors[key], codes[key] = tasks[i]:wait()
  end
  return values, errors, codes
end

core.on_stray(wait.stray)

return wait
