-- SPDX-License-Identifier: MIT
-- So many hits of a group in a LuaJIT program, for their instructions to be counted.

local groupcache = require "groupcache"

local value = ("x"):rep(100)
local group = groupcache.group("guard", { getter = function() return value end })

local keys = {}
for i = 1, 512 do
  keys[i] = ("k%011d"):format(i)
  assert(group:get(keys[i]))
end
for i = 1, tonumber(arg[1]) do
  assert(#group:get(keys[i % #keys + 1]) == 100)
end
