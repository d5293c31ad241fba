-- SPDX-License-Identifier: MIT
-- Hits of a group in a LuaJIT program, each giving a Lua string.
--
--   luajit bench/inside/hit.lua SECONDS     -> "bench ns=...", the time of one

local groupcache = require "groupcache"
local socket = require "socket"

local KEYS, BATCH = 512, 8192 -- keys as in bench/peers/gopeer/inside.go

local value = ("x"):rep(100)
local group = groupcache.group("bench", { getter = function() return value end })

local keys = {}
for i = 1, KEYS do
  keys[i] = ("k%011d"):format(i)
  assert(group:get(keys[i]))
end

local function run(seconds)
  local begin, ops = socket.gettime(), 0
  while socket.gettime() - begin < seconds do
    for i = 1, BATCH do
      if #group:get(keys[i % KEYS + 1]) ~= 100 then
        error "another value"
      end
    end
    ops = ops + BATCH
  end
  return (socket.gettime() - begin) * 1e9 / ops
end

run(0.1) -- so that the loop is compiled
print(("bench ns=%.1f"):format(run(tonumber(arg[1]))))
