-- SPDX-License-Identifier: MIT
-- Recorded requests played to groups of a LuaJIT program, each with keys of its own, so that all
-- have other hashes. bench/inside/trace.c says what is in FILE and what PERCENT is.
--
--   luajit bench/inside/product.lua FILE PERCENT BYTES GROUPS
--     -> "bench lru=... adaptive=... above=... least=...", the hits in percent; then by how many
--        points those of "adaptive" are above those of "lru", in the mean and in the worst group
--
-- Values of BYTES bytes, which all differ.

package.path = "./?.lua;" .. package.path

local bit = require "bit"
local groupcache = require "groupcache"

local ITEM = 72 -- what a value costs beside its bytes and its key's

local path, percent, bytes, groups = arg[1], tonumber(arg[2]), tonumber(arg[3]), tonumber(arg[4])

local function read()
  local f = assert(path:match "%.zst$" and io.popen(("zstd -dcq '%s'"):format(path))
    or io.open(path, "rb"))
  local text, ids, objects = f:read "*a", {}, 0
  f:close()
  for i = 1, #text, 4 do
    local a, b, c, d = text:byte(i, i + 3)
    local id = bit.tobit(a + b * 0x100 + c * 0x10000) + d * 0x1000000
    ids[#ids + 1] = id
    objects = math.max(objects, id + 1)
  end
  return ids, objects
end

local function budget(objects)
  local kept, buckets = math.floor(objects * percent / 100), 64
  while buckets < kept do
    buckets = buckets * 2
  end
  return kept * (ITEM + #"g00:00000" + bytes) + (buckets + 64) * 8
end

local function play(ids, cache_bytes, number, eviction)
  local misses = 0
  local group = groupcache.group(eviction .. number, {
    cache_bytes = cache_bytes, eviction = eviction, remember_bytes = 0,
    getter = function(key)
      misses = misses + 1
      return key .. ("v"):rep(bytes - #key)
    end,
  })
  for i = 1, #ids do
    assert(group:get(("g%02d:%05d"):format(number, ids[i])))
  end
  return 100 * (1 - misses / #ids)
end

local ids, objects = read()
local cache_bytes = budget(objects)
local lru, adaptive, least = 0, 0, math.huge
for number = 1, groups do
  local was = play(ids, cache_bytes, number, "lru")
  local is = play(ids, cache_bytes, number, "adaptive")
  lru, adaptive, least = lru + was / groups, adaptive + is / groups, math.min(least, is - was)
end
print(("bench lru=%.3f adaptive=%.3f above=%.3f least=%.3f"):format(lru, adaptive, adaptive - lru,
  least))
