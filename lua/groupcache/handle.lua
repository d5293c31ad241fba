-- SPDX-License-Identifier: MIT
-- groupcache.handle: how a program reads hits of a group in its own process.
--
-- The string made for an item is remembered in a slot and given again while the item is still the
-- current one; the engine says so at each hit, and so keeps its order of use, counters, expiry and
-- removal exact. While the JIT is on it is asked through the FFI, else through the C API.
--
-- Wherever compiled code is left, and where a string or a cdata is made, finalizers may run, which
-- may get from this very group. Those are answered through the C API, which knows no slots.

local core = require "groupcache.core"

local has_ffi, ffi = pcall(require, "ffi")

local MISS, SAME = 0, 1 -- enum hit
local SOURCES = { [0] = "main", "hot", "peer", "local", "stale" } -- enum source

local MAX_VALUE = 64 * 1024 -- a larger value is not remembered
local MAX_BYTES = 4 * 1024 * 1024 -- remembered in all, per handle

local recall, slots_per_handle
if has_ffi then
  -- The first fields of struct handle; tagged so that the name is nobody else's.
  pcall(ffi.cdef, [[
    struct groupcache_handle { const char *value; size_t value_len; int source; };
  ]])
  local address
  address, slots_per_handle = core.recall()
  recall = ffi.cast("int (*)(void *, const char *, size_t, int)", address)
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

--- Gives up all that is remembered.
function Handle:forget()
  core.forget(self.raw)
  self.slot_of, self.strings, self.used, self.bytes = {}, {}, 0, 0
end

-- A key without a slot: gives it the next one, if its value is small enough to be kept.
local function first_hit(self, key)
  if self.used + 1 >= slots_per_handle or self.bytes > MAX_BYTES then
    self:forget()
  end
  local slot, state = self.used + 1, self.state
  if recall(state, key, #key, slot) == MISS then
    return nil
  end
  local value = ffi.string(state.value, state.value_len)
  if #value <= MAX_VALUE then
    self.used = slot
    self.bytes = self.bytes + #value
    self.slot_of[key], self.strings[slot] = slot, value
  end
  return value, SOURCES[state.source]
end

-- -> value, source; or nil
local function find(self, key)
  local slot = self.slot_of[key]
  if not slot then
    return first_hit(self, key)
  end
  local state = self.state
  local hit = recall(state, key, #key, slot)
  if hit == SAME then
    return self.strings[slot], SOURCES[state.source]
  end
  if hit == MISS then
    return nil
  end
  local value = ffi.string(state.value, state.value_len)
  self.bytes = self.bytes + #value - #self.strings[slot]
  if #value > MAX_VALUE or self.bytes > MAX_BYTES then
    self:forget()
  else
    self.strings[slot] = value
  end
  return value, SOURCES[state.source]
end

--- The value of a key if it is cached.
-- @return value, nil, source; or nothing
function Handle:hit(key)
  if self.finding or not self.compiled then
    return core.hit(self.raw, key)
  end
  self.finding = true -- for good when a finalizer throws: that costs time only
  local value, source = find(self, key)
  self.finding = false
  return value, nil, source
end

return { new = new }
