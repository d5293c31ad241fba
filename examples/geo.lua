-- SPDX-License-Identifier: MIT
-- geo.lua: the country of an IPv4 address, from a table of ranges: lines such as
-- "16777216,16777471,AU", sorted, with addresses as numbers. The table is read while the script
-- runs, and again by a reload (SIGHUP): a minute later nobody has an answer of the old one. If a
-- line is wrong, the script is refused, and the old table stays.
--   TABLE=ranges.csv build/bin/groupcached examples/geo.lua
--   curl -i http://127.0.0.1:8080/cache/country/1.0.0.7

local groupcache = require "groupcache"

local PATH = os.getenv "TABLE" or "ranges.csv"

-- The first VM reads the file; all others read the memory that it made of it.
local ranges = groupcache.constant(function()
  local first, last, country, before = {}, {}, {}, -1
  for line in io.lines(PATH) do
    local from, to, name = line:match "^(%d+),(%d+),(%u%u)%s*$"
    from, to = tonumber(from), tonumber(to)
    if not from or from <= before or to < from or to >= 2 ^ 32 then
      error(("%s:%d: %q is no range behind the one before"):format(PATH, #first + 1, line), 0)
    end
    first[#first + 1], last[#last + 1], country[#country + 1], before = from, to, name, to
  end
  return { first = first, last = last, country = country }
end)
local first, last, country = ranges.first, ranges.last, ranges.country

-- The last range that begins at the address or before it.
local function find(address)
  local low, high = 0, #first
  while low < high do
    local middle = math.ceil((low + high) / 2)
    if first[middle] <= address then low = middle else high = middle - 1 end
  end
  return low > 0 and address <= last[low] and country[low] or nil
end

groupcache.group("country", {
  local_only = true, cache_bytes = "16MB", ttl = 60, negative_ttl = 60,
  getter = function(key)
    local a, b, c, d = key:match "^(%d+)%.(%d+)%.(%d+)%.(%d+)$"
    a, b, c, d = tonumber(a), tonumber(b), tonumber(c), tonumber(d)
    if not a or math.max(a, b, c, d) > 255 then return nil end
    return find(((a * 256 + b) * 256 + c) * 256 + d)
  end,
})
