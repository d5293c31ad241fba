-- SPDX-License-Identifier: MIT
-- A hit without HTTP: group:get of a LuaJIT program, which gives a Lua string, and Group.Get of a
-- Go program with a StringSink. One thread each, 512 keys in turn.

local pin = require "bench.lib.pin"
local program = require "bench.lib.program"

return {
  title = "in-process hit, a string",
  sides = {
    { name = "ours", round = function(_, _, bench)
      return program.run(pin.on_server { "luajit", "bench/inside/hit.lua", bench.seconds })
    end },
    { name = "Go", round = function(_, _, bench)
      return program.run(pin.on_server { program.built "gopeer", "hit", "-seconds", bench.seconds })
    end },
  },
  lines = {
    { figure = "ns/hit", of = "ns", ours = "ours", peer = "Go", reach = 0.33, better = "less" },
  },
}
