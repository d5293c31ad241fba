-- SPDX-License-Identifier: MIT
-- groupcache.alone: a group in a program that runs no node. Its getter runs in the calling VM, in
-- the call that needs it; nothing bounds its time.

local codec = require "groupcache.codec"
local core = require "groupcache.core"
local group = require "groupcache.group"
local handle = require "groupcache.handle"
local options = require "groupcache.options"

local Alone = {}
Alone.__index = Alone
Alone.__name = "groupcache.group"

function Alone:__tostring()
  return ("groupcache.group(%q)"):format(self.name)
end

-- What the getter did, as a result of its own contract.
local function finish(self, load, ok, value, err, ttl)
  if not ok then
    return core.load_error(load, tostring(value), "GETTER")
  elseif value ~= nil and ttl ~= nil and type(ttl) ~= "number" and not core.is_source(ttl) then
    local text = "group %s: the getter's third result, the ttl in seconds, is a %s"
    return core.load_error(load, text:format(self.name, type(ttl)), "GETTER")
  elseif type(value) == "string" then
    local ttl_ms = type(ttl) == "number" and ttl * 1000 or nil
    local kept, message, code = core.load_value(load, value, ttl_ms)
    if kept ~= true then
      return kept, message, code
    end
    return value, nil, "local"
  elseif value ~= nil then
    return core.load_error(load, ("group %s: the getter returned a %s, not a string")
      :format(self.name, type(value)), "GETTER")
  elseif err ~= nil then
    return core.load_error(load, tostring(err), core.is_code(ttl) and ttl or "GETTER")
  end
  return core.load_error(load, ("group %s: not found"):format(self.name), "NOTFOUND")
end

--- The value of a key, loaded if need be.
-- @param given as elsewhere; nothing bounds the getter
-- @return value, nil, source; or nil, message, code
function Alone:get(key, given)
  options.check_key(key, "group:get")
  if given ~= nil then
    options.get_timeout(given, "group:get")
  end
  local value, _, source = self.handle:hit(key)
  if value then
    return codec.unwrap(self.name, self.codec, value, nil, source)
  end
  local load, message, code = core.load_begin(self.handle.raw, key)
  if type(load) ~= "userdata" then
    return codec.unwrap(self.name, self.codec, load, message, code)
  end
  local ctx = { group = self.name, key = key, from_peer = false }
  return codec.unwrap(self.name, self.codec, finish(self, load, pcall(self.getter, key, ctx)))
end

group(Alone, {
  where = function(self) return self.handle.raw end,
  limit = function() return nil end,
  can_wait = function() end,

  change = function(self, _, change, keys, value, ttl_ms)
    return core.wait_change(self.handle.raw, change, keys, value, ttl_ms)
  end,

  get_many = function(self, keys)
    local values, errors = {}, {}
    for _, key in ipairs(keys) do
      local value, message, code = self:get(key)
      values[key] = value
      errors[key] = value == nil and { message = message, code = code } or nil
    end
    return values, errors
  end,
})

--- @return the group
return function(name, numbers, o)
  return setmetatable({
    name = name,
    getter = o.getter,
    codec = o.codec,
    handle = handle.new(core.group_alone(name, numbers, o.content_type)),
  }, Alone)
end
