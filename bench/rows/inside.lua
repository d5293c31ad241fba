-- SPDX-License-Identifier: MIT
-- A hit without HTTP: group:get of a LuaJIT program, which gives a Lua string, and Group.Get of a
-- Go program with a StringSink. One thread each. Each key has a value of its own. Keys are drawn
-- evenly, or by Zipf's law with an exponent of 0.99; some keys fit into a core's cache, 1,000,000
-- into none.

local pin = require "bench.lib.pin"
local program = require "bench.lib.program"

local REACH = { uniform = { [512] = 0.35, [10000] = 0.6, [100000] = 0.7, [1000000] = 0.8 },
  zipf = { [512] = 0.4, [10000] = 0.4, [100000] = 0.4, [1000000] = 0.4 } }

local rows = {}
for _, law in ipairs { "uniform", "zipf" } do
  for _, keys in ipairs { 512, 10000, 100000, 1000000 } do
    local reach = REACH[law][keys]
    rows[#rows + 1] = {
      title = ("in-process hit, a string, %d keys, %s"):format(keys, law),
      sides = {
        { name = "ours", round = function(_, _, bench)
          return program.run(pin.on_server { "luajit", "bench/inside/hit.lua", bench.seconds, keys,
            law })
        end },
        { name = "Go", round = function(_, _, bench)
          return program.run(pin.on_server { program.built "gopeer", "hit", "-seconds",
            bench.seconds, "-keys", keys, "-law", law })
        end },
      },
      lines = {
        { figure = "ns/hit", of = "ns", ours = "ours", peer = "Go", reach = reach,
          better = "less" },
        { figure = "CPU ns/hit", of = "cpu", ours = "ours", peer = "Go" },
      },
    }
  end
end
return rows
