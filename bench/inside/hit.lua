-- SPDX-License-Identifier: MIT
-- Hits of a group in a LuaJIT program, each giving a Lua string.
--
--   luajit bench/inside/hit.lua SECONDS KEYS uniform|zipf
--     -> "bench ns=... cpu=...", the time of one, and the processor's

package.path = "./?.lua;" .. package.path

local asks = require "bench.inside.asks"
local groupcache = require "groupcache"
local socket = require "socket"

local BATCH = 8192 -- gets between two looks at the clock

local seconds, count, law = tonumber(arg[1]), tonumber(arg[2]), arg[3]
local group = groupcache.group("bench", { cache_bytes = "2GB", getter = asks.value })
local keys, order = asks.keys(count), asks.order(count, law)
for _, key in ipairs(keys) do
  assert(group:get(key))
end

local asked = {}
for i = 1, asks.MANY do
  asked[i] = keys[order[i - 1]]
end

local at = 0

local function batch()
  for i = at + 1, at + BATCH do
    if #group:get(asked[i]) ~= 100 then
      error "another value"
    end
  end
  at = (at + BATCH) % asks.MANY
end

for _ = 1, math.max(1, 4 * count / asks.MANY) * asks.MANY / BATCH do
  batch() -- what is asked for often is remembered then
end
local begin, cpu, ops = socket.gettime(), os.clock(), 0
while socket.gettime() - begin < seconds do
  batch()
  ops = ops + BATCH
end
print(("bench ns=%.1f cpu=%.1f"):format((socket.gettime() - begin) * 1e9 / ops,
  (os.clock() - cpu) * 1e9 / ops))
