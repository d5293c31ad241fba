-- SPDX-License-Identifier: MIT
-- What an entry of 12 + 100 bytes costs a LuaJIT program beyond those bytes: as it runs, the
-- garbage of its getter included, and after a collection.
--
--   luajit bench/inside/memory.lua ENTRIES     -> "bench bytes=... collected=..."

package.path = "./?.lua;" .. package.path

local groupcache = require "groupcache"
local unistd = require "posix.unistd"
local usage = require "bench.lib.usage"

local FIRST = 10000 -- so that what only the first entries need is not counted

local value = ("x"):rep(100)
local group = groupcache.group("bench", { cache_bytes = "64GB",
  getter = function() return value end })

local function fill(from, to)
  for i = from, to do
    group:get(("k%011d"):format(i))
  end
end

local function resident()
  return usage.rss(unistd.getpid())
end

local entries = tonumber(arg[1])
fill(1, FIRST)
collectgarbage()
collectgarbage()
local before = resident()
fill(FIRST + 1, FIRST + entries)
local running = resident()
collectgarbage()
collectgarbage()
local collected = resident()
assert(select(3, group:get(("k%011d"):format(1))) == "main", "the first entry has gone")

local function per_entry(after)
  return (after - before) / entries - 112
end
print(("bench bytes=%.1f collected=%.1f"):format(per_entry(running), per_entry(collected)))
