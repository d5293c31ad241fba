-- SPDX-License-Identifier: MIT
-- geo.lua: the country of an IPv4 address, from a table of ranges: lines such as
-- "16777216,16777471,AU", sorted, with addresses as numbers. The table is read while the script
-- runs, and again by a reload (SIGHUP): a minute later nobody has an answer of the old one. If a
-- line is wrong, the script is refused, and the old table stays.
--   TABLE=ranges.csv build/bin/groupcached examples/geo.lua
--   curl -i http://127.0.0.1:8080/cache/country/1.0.0.7

local ffi = require "ffi"
local groupcache = require "groupcache"

local PATH = os.getenv "TABLE" or "ranges.csv"

-- Three arrays, outside of the heap of the VM: a million of ranges takes 10 MB in each.
local function read(path)
  local count = 0
  for _ in io.lines(path) do count = count + 1 end
  local t = { n = count, first = ffi.new("uint32_t[?]", count),
    last = ffi.new("uint32_t[?]", count), country = ffi.new("char[?][2]", count) }
  local i, before = 0, -1
  for line in io.lines(path) do
    local first, last, country = line:match "^(%d+),(%d+),(%u%u)%s*$"
    first, last = tonumber(first), tonumber(last)
    if not first or first <= before or last < first or last >= 2 ^ 32 then
      error(("%s:%d: %q is no range behind the one before"):format(path, i + 1, line), 0)
    end
    t.first[i], t.last[i], before = first, last, last
    ffi.copy(t.country[i], country, 2)
    i = i + 1
  end
  return t
end

local ranges = read(PATH)

-- The last range that begins at the address or before it.
local function find(address)
  local low, high = 0, ranges.n
  while low < high do
    local middle = math.floor((low + high) / 2)
    if ranges.first[middle] <= address then low = middle + 1 else high = middle end
  end
  return low > 0 and address <= ranges.last[low - 1] and low - 1 or nil
end

groupcache.group("country", {
  local_only = true, cache_bytes = "16MB", ttl = 60, negative_ttl = 60,
  getter = function(key)
    local a, b, c, d = key:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$"
    a, b, c, d = tonumber(a), tonumber(b), tonumber(c), tonumber(d)
    if not a or math.max(a, b, c, d) > 255 then return nil end
    local at = find(((a * 256 + b) * 256 + c) * 256 + d)
    return at and ffi.string(ranges.country[at], 2) or nil
  end,
})
