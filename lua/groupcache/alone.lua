-- SPDX-License-Identifier: MIT
-- groupcache.alone: a group in a program without a node. Its getter runs in the calling VM, in the
-- call that needs it. No deadline bounds it.

local codec = require "groupcache.codec"
local core = require "groupcache.core"
local group = require "groupcache.group"
local handle = require "groupcache.handle"
local options = require "groupcache.options"
local pending = require "groupcache.pending"

local Alone = {}
Alone.__index = Alone
Alone.__name = "groupcache.group"

function Alone:__tostring()
  return ("groupcache.group(%q)"):format(self.name)
end

-- --- coroutines that load the same key ---

local MAIN = {} -- the program's main thread, for which coroutine.running() has nothing
local status, running = coroutine.status, coroutine.running

local weak = { __mode = "k" }

-- Of a coroutine that waits for another's load: that load, as in group.loading.
local waits_for = setmetatable({}, weak)

-- Who loads a key: { by = set of coroutines, changed = condition of cqueues or nil }
local function loading(self, key)
  local one = self.loading[key]
  if not one then
    one = { by = setmetatable({}, weak) }
    self.loading[key] = one
  end
  return one
end

-- Whether one who loads the key waits for the coroutine that runs: it runs it, or is it.
local function is_circle(one)
  for co in pairs(one.by) do
    if co == MAIN or status(co) ~= "suspended" then
      return true
    end
  end
  return false
end

-- Whether that is so by way of other loads that coroutines wait for.
local function leads_here(one)
  if is_circle(one) then
    return true
  end
  for co in pairs(one.by) do
    if waits_for[co] and leads_here(waits_for[co]) then
      return true
    end
  end
  return false
end

-- Lets the other coroutines of a program with cqueues run until the load has ended. Returns its
-- result; or nothing: it is not known how this coroutine could wait, or the result is too old for
-- it.
local function wait_for_load(one, load)
  local cqueues = package.loaded.cqueues
  local _, is_ours = nil, false
  if cqueues then
    _, is_ours = cqueues.running()
  end
  if not is_ours or leads_here(one) then
    return
  end
  one.changed = one.changed or require("cqueues.condition").new()
  local me = running()
  waits_for[me] = one
  local value, message, code = core.load_result(load)
  -- Looked at once a second, too: a loader that is dropped says nothing.
  while code == nil and value ~= false do
    one.changed:wait(1)
    value, message, code = core.load_result(load)
  end
  waits_for[me] = nil
  return value or nil, message, code
end

local function ended(self, key, one, me, ...)
  one.by[me] = nil
  if next(one.by) == nil and self.loading[key] == one then
    self.loading[key] = nil
  end
  if one.changed then
    one.changed:signal()
  end
  return ...
end

local function run(self, key, load)
  local one, me = loading(self, key), running() or MAIN
  local ctx = { group = self.name, key = key, from_peer = false }
  one.by[me] = true
  return ended(self, key, one, me, core.load_end(load, pcall(self.getter, key, ctx)))
end

-- The key is being loaded by another coroutine: its result, or one of our own.
local function join(self, key, load)
  local one = loading(self, key)
  if is_circle(one) then
    return core.load_circle(load)
  end
  local value, message, code = wait_for_load(one, load)
  if code ~= nil then
    return value, message, code
  end
  return run(self, key, load)
end

--- The value of a key, loaded if need be.
-- @param given as in a node; no deadline bounds the getter
-- @return value, nil, source; or nil, message, code
function Alone:get(key, given)
  options.check_key(key, "group:get")
  local _, full = options.get_timeout(given, "group:get")
  local value, _, source = self.handle:hit(key, full)
  if value then
    return codec.unwrap(self.name, self.codec, value, nil, source)
  end
  local load, message, code = core.load_begin(self.handle.raw, key, full)
  if type(load) ~= "userdata" then
    return codec.unwrap(self.name, self.codec, load, message, code)
  end
  return codec.unwrap(self.name, self.codec, (message and join or run)(self, key, load))
end

-- The key is being loaded: a pending get of that load, or what join() says of a circle.
local function start_joined(self, key, load, full)
  local one = loading(self, key)
  if leads_here(one) then
    return pending.ended(core.load_circle(load))
  end
  return pending.new(core.pending(self.handle.raw, key, nil, full), function(...)
    return codec.unwrap(self.name, self.codec, ...)
  end)
end

--- Begins a get. If no other coroutine loads the key, its getter runs in this call, which may take
-- its time or let others run; else the pending get ends with that load.
-- @param given as of get
-- @return a pending get; groupcache.pending has its methods
function Alone:start(key, given)
  options.check_key(key, "group:start")
  local _, full = options.get_timeout(given, "group:start")
  local value, _, source = self.handle:hit(key, full)
  if value then
    return pending.ended(codec.unwrap(self.name, self.codec, value, nil, source))
  end
  local load, message, code = core.load_begin(self.handle.raw, key, full)
  if type(load) ~= "userdata" then
    return pending.ended(codec.unwrap(self.name, self.codec, load, message, code))
  elseif message then
    return start_joined(self, key, load, full)
  end
  return pending.ended(codec.unwrap(self.name, self.codec, run(self, key, load)))
end

group(Alone, {
  where = function(self) return self.handle.raw end,
  limit = function() return nil end,
  can_wait = function() end,

  change = function(self, _, change, keys, value, ttl_ms)
    return core.wait_change(self.handle.raw, change, keys, value, ttl_ms)
  end,

  get_many = function(self, keys, _, full)
    local values, errors = {}, {}
    for _, key in ipairs(keys) do
      local value, message, code = self:get(key, full and { full = true } or nil)
      values[key] = value
      errors[key] = value == nil and { message = message, code = code } or nil
    end
    return values, errors
  end,

  start_many = function(self, keys, _, full)
    return pending.ended(self:get_many(keys, full and { full = true } or nil))
  end,
})

--- @return the group
return function(name, numbers, o)
  return setmetatable({
    name = name,
    getter = o.getter,
    codec = o.codec,
    loading = {},
    handle = handle.new(core.group_alone(name, numbers, o.content_type)),
  }, Alone)
end
