-- SPDX-License-Identifier: MIT
-- groupcache.wait: several waits at once inside one getter.
--
-- A getter may spawn functions; each runs as a coroutine of its own, its child. A child that waits
-- yields its ops to its parent. The parent waits for these ops, too, and runs the children that
-- have an ended op. So one C call of the getter waits for all ops, and when a getter is stopped,
-- its children end too.
--
-- Under another event loop, children are coroutines of that loop: loop/strands.lua replaces await,
-- spawn and join.

local core = require "groupcache.core"

local wait = {}

-- By coroutine: the list of its children; whether it is a child.
local children_of = setmetatable({}, { __mode = "k" })
local is_child = setmetatable({}, { __mode = "k" })

local Task = {}
Task.__index = Task
Task.__name = "groupcache.task"

local function settle(child, ok, first, ...)
  if ok and coroutine.status(child.co) ~= "dead" then
    child.wish = first
    if type(first) ~= "table" or not first.ready then
      child.done, child.ok = true, false
      child.n, child.results = 1,
        { "a spawned function yielded: only functions of this API may yield" }
    end
    return
  end
  child.done, child.ok, child.wish = true, ok, nil
  child.n, child.results = select("#", ...) + 1, { first, ... }
end

local function step(child, ...)
  settle(child, coroutine.resume(child.co, ...))
end

-- Runs children until no child can go on, and forgets those that have ended. One child may let
-- another one go on.
local function step_all(children)
  local went_on
  repeat
    went_on = false
    local kept = 0
    for i = 1, #children do
      local child = children[i]
      if not child.done and child.wish.ready() then
        step(child)
        went_on = true
      end
      children[i] = nil
      if not child.done then
        kept = kept + 1
        children[kept] = child
      end
    end
  until not went_on
end

local function add_ops(list, ops)
  for _, op in ipairs(ops) do
    list[#list + 1] = op
  end
end

-- Waits until ready() returns true; now it returns false. It may depend on `ops`.
local function wait_until(ready, ops, what)
  local me = coroutine.running()
  local children = children_of[me] or {}
  step_all(children)
  while not ready() do
    local all = {}
    add_ops(all, ops)
    for _, child in ipairs(children) do
      add_ops(all, child.wish.ops)
    end
    if is_child[me] then
      coroutine.yield { ops = all, ready = function()
        return ready() or core.any_done(all)
      end }
    elseif #all == 0 then
      error(what .. ": waits for a task that waits for it", 0)
    else
      core.await(all, what)
    end
    step_all(children)
  end
end

--- Raises where await() would, in the name of `what`, at the line of the caller's caller.
function wait.check(what)
  return core.check_can_await(what, is_child[coroutine.running()])
end

--- Waits until an op has ended. `what` is the caller's name, for messages.
function wait.await(op, what)
  local me = coroutine.running()
  if not is_child[me] and not children_of[me] then
    return core.await(op, what)
  end
  wait_until(function() return core.any_done(op) end, { op }, what)
end

--- Runs fn(...) as a child of the getter that runs, until it waits.
-- @return the task
function wait.spawn(fn, ...)
  local me = coroutine.running()
  local child = setmetatable({ co = coroutine.create(fn) }, Task)
  is_child[child.co] = true
  step(child, ...)
  if not child.done then
    children_of[me] = children_of[me] or {}
    table.insert(children_of[me], child)
  end
  return child
end

-- Waits until a task has ended; it runs now.
function wait.join(task)
  wait_until(function() return task.done end, {}, "task:wait")
end

--- Waits until the task has ended.
-- @return the results of its function; raises its error
function Task:wait()
  if not self.done then
    wait.join(self)
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

wait.Task = Task

return wait
