-- SPDX-License-Identifier: MIT
-- groupcache.loop.cqueues: a cqueues controller in a worker VM. A coroutine of the controller, its
-- carrier, runs a getter, and polls for the same things as the getter.

local core = require "groupcache.core"
local wait = require "groupcache.wait"

local found, cqueues = pcall(require, "cqueues")
if not found then
  error(('loop is "cqueues", and its module cannot be loaded: install lua-cqueues (Debian) or the '
    .. "rock cqueues (%s)"):format(cqueues:match "[^\n]*"), 0)
end
local condition = require "cqueues.condition"

local POLL = cqueues._POLL -- what cqueues.poll() yields first
local yield, running = coroutine.yield, coroutine.running

local MAX_ERRORS = 1000 -- of one step: each ends a coroutine

local queue = cqueues.new()

-- Of a strand: the condition that wakes its carrier when the strand has ended. Of a carrier: its
-- strand.
local parked = {}
local carried = setmetatable({}, { __mode = "k" })

-- --- coroutines outside of getters ---

-- A coroutine that throws, or yields something else, would end cqueues' step for all.
local function outsider(co, ok, first, ...)
  if not ok or coroutine.status(co) == "dead" then
    return
  elseif first ~= POLL then
    core.log("error", "a coroutine of the event loop yielded: only cqueues.poll may")
    return
  end
  return outsider(co, core.outside(co, yield(POLL, ...)))
end

local wrap, attach
wrap = cqueues.interpose("wrap", function(self, fn, ...)
  if self ~= queue or type(fn) ~= "function" then
    return wrap(self, fn, ...)
  end
  local co = coroutine.create(fn)
  return wrap(self, function(...) return outsider(co, core.outside(co, ...)) end, ...)
end)

attach = cqueues.interpose("attach", function(self, co)
  if self ~= queue or type(co) ~= "thread" then
    return attach(self, co)
  end
  return wrap(self, function() return outsider(co, core.outside(co)) end)
end)

-- --- getters ---

local carry

local function is_all_nil(...)
  for i = 1, select("#", ...) do
    if select(i, ...) ~= nil then
      return false
    end
  end
  return true
end

local function polls(strand, first, ...)
  if first ~= POLL then
    return wait.stray(strand)
  elseif is_all_nil(...) then -- lets other coroutines run, then goes on
    return carry(strand, yield(POLL))
  end
  local gone = condition.new()
  parked[strand], carried[running()] = gone, strand
  return carry(strand, yield(POLL, gone, ...))
end

local function carried_on(strand, is_parked, ...)
  if is_parked then
    return polls(strand, ...)
  end
end

function carry(strand, ...)
  parked[strand] = nil
  return carried_on(strand, core.run(strand, ...))
end

wait.use(function(strand, is_parked, ...) -- outside of its carrier, so it gets one
  if is_parked then
    wrap(queue, polls, strand, ...)
  end
end, function()
  return false, "a getter that cqueues polls for is resumed by cqueues"
end)

local function fail(message, co)
  local strand = co and carried[co]
  if strand then
    parked[strand] = nil
    core.fail(strand, tostring(message))
  else
    core.log("error", "the event loop", "error=" .. core.quote(tostring(message)))
  end
end

local loop = {}

function loop.go(strand, co)
  wait.know(strand, co)
  wrap(queue, carry, strand)
end

function loop.step(left)
  if left then
    for strand, gone in pairs(parked) do
      if core.strand_state(strand) == "gone" then
        gone:signal()
      end
    end
  end
  for _ = 1, MAX_ERRORS do
    local ok, message, _, co = queue:step(0)
    if ok then
      return
    end
    fail(message, co)
  end
end

function loop.poll()
  return queue:pollfd(), queue:timeout()
end

function loop.close()
  parked = {}
end

return loop
