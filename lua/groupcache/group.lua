-- SPDX-License-Identifier: MIT
-- groupcache.group: the methods of a group besides get. There are three kinds of group: in a
-- getter, of a node in a program, and alone. They differ in a few functions, most of all in how
-- they wait:
--
--   how.where(group)     what the engine knows it by
--   how.limit(group)     max_key_bytes, or nil
--   how.can_wait(what)   raises where what follows could not wait: before anything has begun
--   how.change(group, what, op, keys, value, ttl_ms)   true | nil, message, code, unconfirmed
--   how.get_many(group, keys, timeout_ms, full)        values, errors | nil, message, code
--   how.start_many(group, keys, timeout_ms, full)      the same, as a pending get; nil in a getter
--
-- `what` is the method's name for messages. Misuse raises at the line of the method's caller.

local codec = require "groupcache.codec"
local core = require "groupcache.core"
local options = require "groupcache.options"
local pending = require "groupcache.pending"

local MAX_KEYS = 10000 -- BATCH_MAX_KEYS
local MAX_TAG = 255 -- bytes, as a getter may give
local TAG = "%s: the %s must be a string of 1 to 255 bytes"

-- A copy: the caller's list may change during the wait.
-- @param one what the list has, for messages ["key"]
local function check_keys(keys, what, limit, one)
  one = one or "key"
  local copy = {}
  if type(keys) ~= "table" then
    error(("%s: the %ss are a %s, and must be a list"):format(what, one, type(keys)), 3)
  end
  local n = 0
  for _ in pairs(keys) do
    n = n + 1
  end
  if n > MAX_KEYS then
    error(("%s: %d %ss, the limit is %d"):format(what, n, one, MAX_KEYS), 3)
  end
  for i = 1, n do
    local key = keys[i]
    if type(key) ~= "string" then
      error(("%s: %s %d is a %s, and must be a string"):format(what, one, i, type(key)), 3)
    end
    if limit and #key > limit then
      error(("%s: key %d has %d bytes, max_key_bytes is %d"):format(what, i, #key, limit), 3)
    end
    copy[i] = key
  end
  return copy
end

-- The values and errors of a get of many keys that could not begin.
local function failed(keys, message, code)
  local errors = {}
  for _, key in ipairs(keys) do
    errors[key] = { message = message, code = code }
  end
  return {}, errors
end

--- Adds the methods to a class.
return function(Group, how)
  --- Stores a value at the owner of the key; the other nodes remove the key.
  -- @param value bytes, what the codec encodes, or a table as of a getter: { body =, ... }
  -- @param ttl seconds; nil: the group's own; 0 or less: the key is removed
  -- @return true; or nil, message, code and, when the code is PEER, the nodes that did not confirm
  function Group:set(key, value, ttl)
    options.check_key(key, "group:set", how.limit(self))
    if ttl ~= nil and (type(ttl) ~= "number" or ttl ~= ttl) then
      error(("group:set: the ttl is %s, and must be a number of seconds"):format(
        ttl ~= ttl and "nan" or "a " .. type(ttl)), 2)
    end
    local is_table = type(value) == "table" and
      (not self.codec or getmetatable(value) == codec.VALUE)
    if type(value) ~= "string" and not is_table and (value == nil or not self.codec) then
      error(("group:set: the value is a %s, and must be %s"):format(type(value),
        self.codec and "one that the codec encodes" or "a string or a table"), 2)
    end
    if self.codec then
      local encode = is_table and codec.encode_body or codec.encode
      local bytes, message = encode(self.name, self.codec, value)
      if not bytes then
        return nil, message, "INVAL"
      end
      value = bytes
    end
    if is_table then
      local fine, message, code = core.check_given(value)
      if code == "TOOBIG" then
        return nil, ("group %s: %s"):format(self.name, message), code
      elseif not fine then
        error("group:set: the table with the value: " .. message, 2)
      end
    end
    how.can_wait "group:set"
    return how.change(self, "group:set", "set", { key }, value, ttl and ttl * 1000)
  end

  --- Removes a key from every node.
  -- @return as set
  function Group:remove(key)
    options.check_key(key, "group:remove", how.limit(self))
    how.can_wait "group:remove"
    return how.change(self, "group:remove", "remove", { key })
  end

  --- Removes many.
  -- @return as set
  function Group:remove_many(keys)
    local list = check_keys(keys, "group:remove_many", how.limit(self))
    if not list[1] then
      return true
    end
    how.can_wait "group:remove_many"
    return how.change(self, "group:remove_many", "remove", list)
  end

  --- Removes the values with a tag from every node, whatever their keys are.
  -- @return as set
  function Group:remove_tag(tag)
    if type(tag) ~= "string" or tag == "" or #tag > MAX_TAG then
      error(TAG:format("group:remove_tag", "tag"), 2)
    end
    how.can_wait "group:remove_tag"
    return how.change(self, "group:remove_tag", "remove_tags", { tag })
  end

  --- Removes the values with one of many tags.
  -- @return as set
  function Group:remove_tags(tags)
    local list = check_keys(tags, "group:remove_tags", nil, "tag")
    for i, tag in ipairs(list) do
      if tag == "" or #tag > MAX_TAG then
        error(TAG:format("group:remove_tags", "tag " .. i), 2)
      end
    end
    if not list[1] then
      return true
    end
    how.can_wait "group:remove_tags"
    return how.change(self, "group:remove_tags", "remove_tags", list)
  end

  --- Removes every key from every node.
  -- @return as set
  function Group:flush()
    how.can_wait "group:flush"
    return how.change(self, "group:flush", "flush", {})
  end

  --- The values of many keys, loaded if need be, all at the same time.
  -- @param given optional { timeout = seconds, full = boolean }, or the seconds
  -- @return values by key, errors by key: { message =, code = }
  function Group:get_many(keys, given)
    local list = check_keys(keys, "group:get_many", how.limit(self))
    local timeout_ms, full = options.get_timeout(given, "group:get_many")
    if not list[1] then
      return {}, {}
    end
    how.can_wait "group:get_many"
    local values, errors, code = how.get_many(self, list, timeout_ms, full)
    if not values then
      return failed(list, errors, code)
    end
    return values, errors
  end

  if how.start_many then
    --- Begins a get of many keys that does not block.
    -- @param given as of get_many
    -- @return a pending get, whose result is that of get_many
    function Group:start_many(keys, given)
      local list = check_keys(keys, "group:start_many", how.limit(self))
      local timeout_ms, full = options.get_timeout(given, "group:start_many")
      if not list[1] then
        return pending.ended({}, {})
      end
      local get, message, code = how.start_many(self, list, timeout_ms, full)
      return get or pending.ended(failed(list, message, code))
    end
  end

  --- The value that this node holds for a key. Nothing is loaded, counted or moved; never waits.
  -- @param given optional { full = boolean }
  -- @return value, nil, source; or nil, message, "NOTFOUND"
  function Group:peek(key, given)
    options.check_key(key, "group:peek")
    local full = given ~= nil and options.get_full(given, "group:peek")
    return codec.unwrap(self.name, self.codec, core.peek(how.where(self), key, full))
  end

  --- The seconds until the value expires that this node holds for a key: below 0 when it is stale,
  -- math.huge when it never expires.
  -- @return seconds; or nil, message, "NOTFOUND"
  function Group:ttl(key)
    options.check_key(key, "group:ttl")
    local seconds, message, code = core.ttl(how.where(self), key) -- no tail call: lines count
    if seconds then
      return seconds
    end
    return nil, message, code
  end
end
