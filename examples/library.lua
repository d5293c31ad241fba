-- SPDX-License-Identifier: MIT
-- library.lua: groupcache inside a LuaJIT program. Run it with
--   luajit examples/library.lua

local groupcache = require "groupcache"

-- A group alone: its getter runs here, in the call that needs it.
local squares = groupcache.group("squares", {
  getter = function(key) return tostring(tonumber(key) ^ 2) end,
})
print(squares:get("12")) --> 144  nil  local
print(squares:get("12")) --> 144  nil  main

-- A node: its getters run on threads of their own, and other nodes can ask it over HTTP.
local here = arg[0]:match("^(.*/)") or "./"
local node = assert(groupcache.start{ script = here .. "quickstart.lua", listen = "127.0.0.1:0" })
local files = node:group("files")
print(#assert(files:get("GPL-3")), select(3, files:get("GPL-3"))) --> 35149  main
print(node:stats().groups.files.local_loads)                     --> 1
node:close()
