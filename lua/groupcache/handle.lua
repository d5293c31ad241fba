-- SPDX-License-Identifier: MIT
-- groupcache.handle: how a program reads hits of a group in its own process.
--
-- The engine remembers the items that it returned last, each in a slot. The strings of an item's
-- key and value are kept beside its slot. The value's is returned again while the item is still the
-- current one. The engine decides that at each hit, so order of use, counters, expiry and removal
-- stay exact. While the JIT is on, it is called through the FFI, otherwise through the C API.
--
-- While the key's string is kept, no other value has its address. So most hits read neither the key
-- nor the item (recall_held()).
--
-- Finalizers may run when compiled code is left, and when a string or a cdata is made. They may get
-- from this very group. Such gets are answered through the C API, which uses no slots.

local core = require "groupcache.core"

local bit = require "bit"

local band, rshift = bit.band, bit.rshift

local has_ffi, ffi = pcall(require, "ffi")

local MISS, SAME, OTHER = 0, 1, 2 -- enum hit
local SOURCES = { [0] = "main", "hot", "peer", "local", "stale" } -- enum source

-- Keys and values are kept in many tables, since the collector visits a whole table in one step.
local CHUNK = 1024 -- places in a table; a power of two
local CHUNK_BITS = 10

local recall_held, recall, settle, new_table
if has_ffi then
  new_table = require "table.new"
  -- The first fields of struct handle; the tag makes the name unique.
  pcall(ffi.cdef, [[
    struct groupcache_handle {
      int source, place;
      const char *value;
      int value_len;
      unsigned age;
    };
  ]])
  local held_address, recall_address, settle_address = core.recall()
  recall_held = ffi.cast("int (*)(void *, const char *)", held_address)
  recall = ffi.cast("int (*)(void *, const char *, size_t)", recall_address)
  settle = ffi.cast("int (*)(void *, const char *)", settle_address)
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
  self.chunks, self.age = {}, 0
end

-- Says whether the last item's strings are kept: `value` is its string, or nil. Then drops the
-- strings of one item that is not remembered any more.
local function clear(self, value)
  local place = settle(self.state, value)
  local chunk = place >= 0 and self.chunks[rshift(place, CHUNK_BITS)]
  if chunk then
    place = band(place, CHUNK - 1)
    chunk[place], chunk[CHUNK + place] = nil, nil
  end
end

-- Makes the string of an item that recall() has just returned. If the item is remembered, it keeps
-- the string and that of the key, and says so once both are in their table. All of this can be
-- compiled: a loop whose gets bring new items would otherwise never be, nor later, when they do
-- not.
local function make_string(self, key)
  local state = self.state
  local value, place = ffi.string(state.value, state.value_len), state.place
  if state.age ~= self.age then -- all slots were emptied
    self.chunks, self.age = {}, state.age
  end
  if place >= 0 then
    local chunk = self.chunks[rshift(place, CHUNK_BITS)]
    if not chunk then
      chunk = new_table(2 * CHUNK - 1, 0)
      self.chunks[rshift(place, CHUNK_BITS)] = chunk
    end
    place = band(place, CHUNK - 1)
    chunk[place], chunk[CHUNK + place] = value, key
    clear(self, value)
  else
    clear(self, nil)
  end
  return value
end

-- -> value, source; or nil
local function find(self, key)
  local state = self.state
  local held = recall_held(state, key)
  if held >= 0 then
    return self.chunks[rshift(held, CHUNK_BITS)][band(held, CHUNK - 1)], "main"
  end
  local hit = recall(state, key, #key)
  if hit == MISS then
    return nil
  elseif hit ~= OTHER then
    if hit ~= SAME then
      clear(self, nil)
    end
    local place = state.place
    return self.chunks[rshift(place, CHUNK_BITS)][band(place, CHUNK - 1)], SOURCES[state.source]
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
