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
  return codec.unwrap(self.name, self.codec, core.load_end(load, pcall(self.getter, key, ctx)))
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
