-- SPDX-License-Identifier: MIT
-- groupcache.handle: how a program reads hits of a group in its own process.
--
-- The engine remembers the items that it returned last, each in a slot. The string of an item is
-- kept beside its slot, and returned again while the item is still the current one. The engine
-- decides that at each hit, so order of use, counters, expiry and removal stay exact. While the JIT
-- is on, it is called through the FFI, otherwise through the C API.
--
-- Finalizers may run when compiled code is left, and when a string or a cdata is made. They may get
-- from this very group. Such gets are answered through the C API, which uses no slots.

local core = require "groupcache.core"

local has_ffi, ffi = pcall(require, "ffi")

local MISS, SAME = 0, 1 -- enum hit
local SOURCES = { [0] = "main", "hot", "peer", "local", "stale" } -- enum source

local MAX_ENTRY = 64 * 1024 -- of key and value: larger ones are not remembered
local MAX_BYTES = 4 * 1024 * 1024 -- remembered in all, per handle

local recall, new_table
if has_ffi then
  new_table = require "table.new"
  -- The first fields of struct handle; the tag makes the name unique.
  pcall(ffi.cdef, "struct groupcache_handle { int source, slot; };")
  recall = ffi.cast("int (*)(void *, const char *, size_t)", core.recall())
end

local Handle = {}
Handle.__index = Handle

local function new(raw)
  local self = setmetatable({ raw = raw, finding = false }, Handle)
  self.compiled = has_ffi and jit.status() -- asked once: jit.status() itself is not compiled
  if self.compiled then
    self.state = ffi.cast("struct groupcache_handle *", core.handle_address(raw))
    self:forget()
  end
  return self
end

--- Forgets all the items and strings.
function Handle:forget()
  core.forget(self.raw)
  self.strings, self.slots, self.bytes = {}, 0, 0
end

-- Keeps the string of an item that recall() has just returned; later it returns SAME.
local function make_string(self, key)
  local value, slot, slots = core.recalled(self.raw)
  local bytes = #key + #value
  if bytes > MAX_ENTRY then
    core.forget(self.raw, slot)
    return value
  end
  if slots ~= self.slots then -- there are more slots, and all are empty
    self.strings, self.slots, self.bytes = new_table(slots, 0), slots, 0
  end
  self.strings[slot] = value
  self.bytes = self.bytes + bytes -- the size of a replaced string is not known any more
  if self.bytes > MAX_BYTES then
    self:forget()
  end
  return value
end

-- Work that is done once for many hits stays out of compiled code: a trace that begins with it
-- would take a side exit at every hit.
if has_ffi then
  jit.off(make_string)
end

-- -> value, source; or nil
local function find(self, key)
  local state = self.state
  local hit = recall(state, key, #key)
  if hit == SAME then
    return self.strings[state.slot], SOURCES[state.source]
  elseif hit == MISS then
    return nil
  end
  return make_string(self, key), SOURCES[state.source]
end

--- The value of a key if it is cached.
-- @param full whether the value is wanted with its extras, in a table
-- @return value, nil, source; or nothing. An answer that is no value has the error's three results
function Handle:hit(key, full)
  if full or self.finding or not self.compiled then
    return core.hit(self.raw, key, full)
  end
  self.finding = true -- for good when a finalizer throws: that costs time only
  local value, source = find(self, key)
  self.finding = false
  return value, nil, source
end

return { new = new }
