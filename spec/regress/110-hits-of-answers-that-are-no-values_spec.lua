-- SPDX-License-Identifier: MIT

-- An answer such as 404 counted as two hits for each get of a program that asks for bytes alone: a
-- node had more hits than gets.

local program = require "api.program"
local tmp = require "support.tmp"

describe("a kept answer that is no value", function()
  it("is one hit for each get of a program", function()
    local script = tmp.file([[
      require "groupcache".group("g", { getter = function() return { status = 404 } end })
    ]], "node.lua")
    program.says("10|9\n", ([[
      local n = assert(groupcache.start { script = %q, listen = "127.0.0.1:0" })
      local g = n:group "g"
      for _ = 1, 10 do
        assert(select(3, g:get "k") == "NOTFOUND")
      end
      local s = n:stats().groups.g
      say(s.gets, s.cache_hits)
      n:close()
    ]]):format(script), { logs = true })
  end)
end)
