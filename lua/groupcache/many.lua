-- SPDX-License-Identifier: MIT
-- groupcache.many: getters that make the values of several keys in one call. Loads of such a group
-- come to a VM together, as many as wait on the node (script/calls.h). The first waits for one turn
-- of its VM, in which the others begin. Then it calls the script's function for all, and the others
-- wait for that call.

local core = require "groupcache.core"
local wait = require "groupcache.wait"

local many = {}

-- A call: { keys =, waiters = signals by key, deadline = the least of the keys }; once it has ended
-- with values, errors, ttls, or thrown.

-- A message and a code, of the error of one key or of all.
local function fault(name, err)
  if type(err) == "table" and type(err.message) == "string" then
    return err.message, err.code
  elseif type(err) == "string" or type(err) == "number" then
    return tostring(err)
  end
  return ("group %s: an error of getter_many is a %s, and must be a string, or a table with "
    .. "message and code"):format(name, type(err))
end

-- The results of the getter for one key.
local function pick(name, call, key)
  if call.thrown ~= nil then
    error(call.thrown, 0)
  end
  local values, errors, ttls = call.values, call.errors, call.ttls
  if values == nil and errors ~= nil then -- failed as a whole; ttls is its code
    local message, code = fault(name, errors)
    return nil, message, code or ttls
  elseif type(values) ~= "table" then
    return nil, ("group %s: getter_many returned a %s, and must return a table of values by key")
      :format(name, type(values))
  end
  local ttl = ttls
  if type(ttls) == "table" then
    ttl = ttls[key]
  end
  if values[key] ~= nil then
    return values[key], nil, ttl
  elseif type(errors) == "table" and errors[key] ~= nil then
    local message, code = fault(name, errors[key])
    return nil, message, code
  end
  return nil, nil, ttl
end

local function keep(call, ok, values, errors, ttls)
  if ok then
    call.values, call.errors, call.ttls = values, errors, ttls
  else
    call.thrown = values == nil and "nil" or values
  end
end

local Gatherer = {}
Gatherer.__index = Gatherer

-- The call to which a key belongs that is loaded now, and whether the key is its first.
function Gatherer:join(key, deadline)
  local call = self.gathering
  local is_first = not call or call.deadline <= core.now() -- then its first load was stopped
  if is_first then
    call = { keys = {}, waiters = {}, deadline = deadline }
    self.gathering = call
  end
  call.keys[#call.keys + 1] = key
  call.deadline = math.min(call.deadline, deadline)
  if #call.keys >= self.most then
    self.gathering = nil
  end
  return call, is_first
end

-- The first load of a call: lets the VM begin the others, and calls the function for all.
function Gatherer:lead(call)
  wait.await(core.sleep(0), "getter_many")
  if self.gathering == call then
    self.gathering = nil
  end
  keep(call, pcall(self.fn, call.keys, { group = self.name, deadline = call.deadline }))
  for _, signal in pairs(call.waiters) do
    core.fire(signal)
  end
end

function Gatherer.follow(call, key)
  local signal = core.signal()
  call.waiters[key] = signal
  wait.await(signal, "getter_many")
end

--- A getter over a getter of many.
-- @param name of the group
-- @param fn called as fn(keys, ctx)
-- @param most keys a call
-- @param alone the getter cannot wait: each call has one key
function many.getter(name, fn, most, alone)
  local self = setmetatable({ name = name, fn = fn, most = most }, Gatherer)
  if alone then
    return function(key)
      local call = { keys = { key } }
      keep(call, pcall(fn, call.keys, { group = name }))
      return pick(name, call, key)
    end
  end
  return function(key, ctx)
    local call, is_first = self:join(key, ctx.deadline)
    if is_first then
      self:lead(call)
    else
      Gatherer.follow(call, key)
    end
    return pick(name, call, key)
  end
end

return many
