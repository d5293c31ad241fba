-- SPDX-License-Identifier: MIT

--- Keys that a given peer owns, by our own ring (which specs hold against Go's).
--
--   owned.keys(peers, place, count, first) -> list of 12-byte keys, numbered from `first` [0]
--   owned.file(...) -> path of a file with one a line

local ffi = require "ffi"
local tmp = require "support.tmp"
local unit = require "support.unit"

local owned = {}

function owned.keys(peers, place, count, first)
  local C = unit.load("peer/ring.h", "base/hash.h", "base/err.h")
  local list = ffi.new("const char *[?]", #peers)
  for i, url in ipairs(peers) do
    list[i - 1] = url
  end
  local e = ffi.new "struct error"
  local ring = C.ring_new(C.HASH_CRC32, C.RING_PLAIN, list, #peers, 50, e)
  assert(ring ~= nil, ffi.string(e.msg))
  local keys, n = {}, first or 0
  while #keys < count do
    local key = ("k%011d"):format(n)
    n = n + 1
    if C.ring_owner(ring, key, #key) == place - 1 then
      keys[#keys + 1] = key
    end
  end
  C.ring_free(ring)
  return keys
end

function owned.file(...)
  return tmp.file(table.concat(owned.keys(...), "\n") .. "\n", "keys")
end

return owned
