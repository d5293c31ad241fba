-- SPDX-License-Identifier: MIT
-- groupcache.shared: tables of texts and numbers that all VMs of a node have in common.

local core = require "groupcache.core"
local options = require "groupcache.options"

local OPTIONS = { bytes = { kind = "size", default = "1MB" } }
local LEAST_BYTES, MAX_NAME = 4096, 255

local Shared = {}
Shared.__index = Shared
Shared.__name = "groupcache.shared"

function Shared:__tostring()
  return ("groupcache.shared(%q)"):format(self.name)
end

-- The engine's table. Raises at the line of the method's caller.
local function raw(self, key, what)
  if key ~= nil then
    options.check_key(key, what)
  end
  if not self.raw then
    local found, err = core.shared(self.name, self.bytes)
    if not found then
      error(("%s: %s"):format(what, err or "the node does not run yet"), 3)
    end
    self.raw = found
  end
  return self.raw
end

-- A ttl in whole milliseconds; 0: none was given.
local function milliseconds(ttl, what)
  if ttl == nil then
    return 0
  elseif type(ttl) ~= "number" or not (ttl > 0 and ttl <= 1e9) then
    error(("%s: the ttl is %s, and must be a number of seconds above 0"):format(what,
      tostring(ttl)), 3)
  end
  return math.ceil(ttl * 1000)
end

local function check_number(value, what, name, default)
  if value == nil then
    return default
  elseif type(value) ~= "number" then
    error(("%s: %s is a %s, and must be a number"):format(what, name, type(value)), 3)
  elseif value ~= value or math.abs(value) == math.huge then -- the sum would stay such a number
    error(("%s: %s is %s, and must be a finite number"):format(what, name, tostring(value)), 3)
  end
  return value
end

--- The text or number of a key.
-- @return value; nil: there is none, or its time has ended
function Shared:get(key)
  local value = core.shared_get(raw(self, key, "shared:get"), key)
  return value
end

--- Stores a text or a number; nil removes the key.
-- @param ttl seconds; nil: it has no end
-- @return true; or nil, message, code: TOOBIG, NOMEM
function Shared:set(key, value, ttl)
  local t, ms = raw(self, key, "shared:set"), milliseconds(ttl, "shared:set")
  if value == nil then
    core.shared_remove(t, key)
    return true
  elseif type(value) ~= "string" and type(value) ~= "number" then
    error(("shared:set: the value is a %s, and must be a string or a number"):format(
      type(value)), 2)
  end
  local ok, err, code = core.shared_set(t, key, value, ms)
  return ok, err, code
end

--- Adds to a number, in one step for all VMs.
-- @param by what is added [1]
-- @param ttl seconds, of a number that begins now; a number that is there keeps its end
-- @param first the number to add to when the key is absent [0]
-- @return the sum; or nil, message, code: INVAL (a text is there), NOMEM, TOOBIG
function Shared:incr(key, by, ttl, first)
  local t, ms = raw(self, key, "shared:incr"), milliseconds(ttl, "shared:incr")
  by = check_number(by, "shared:incr", "by", 1)
  first = check_number(first, "shared:incr", "first", 0)
  local sum, err, code = core.shared_incr(t, key, by, first, ms)
  return sum, err, code
end

--- The seconds until the end of a key.
-- @return seconds, math.huge without an end; nil: there is no such key
function Shared:ttl(key)
  local left = core.shared_left(raw(self, key, "shared:ttl"), key)
  return left and (left < 0 and math.huge or left)
end

--- What the table holds: { entries =, bytes =, evictions = }.
function Shared:stats()
  local entries, bytes, evictions = core.shared_stats(raw(self, nil, "shared:stats"))
  return { entries = entries, bytes = bytes, evictions = evictions }
end

--- @return the table of that name, or what is wrong
return function(name, given)
  if type(name) ~= "string" or name == "" or #name > MAX_NAME or name:find("%z") then
    return nil, ("groupcache.shared: the name is a string of 1 to %d bytes without NUL"):format(
      MAX_NAME)
  end
  local o, err = options.check(OPTIONS, given or {}, ("groupcache.shared(%q)"):format(name))
  if not o then
    return nil, err
  elseif o.bytes < LEAST_BYTES then
    return nil, ("groupcache.shared(%q): bytes is %d, and at least %d"):format(name, o.bytes,
      LEAST_BYTES)
  end
  return setmetatable({ name = name, bytes = o.bytes }, Shared)
end
