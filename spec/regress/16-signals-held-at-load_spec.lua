-- SPDX-License-Identifier: MIT

-- A script that looped while it was loaded held the signals that were to end groupcached.

local eventually = require "support.eventually"
local lfs = require "lfs"
local node = require "support.node"
local posix_signal = require "posix.signal"
local tmp = require "support.tmp"

describe("a script that loops while it is read", function()
  for _, name in ipairs { "SIGTERM", "SIGINT" } do
    it("is ended by " .. name, function()
      local mark = tmp.dir() .. "/began"
      local n = node.start { ready = false, script = ([[
        assert(io.open(%q, "w")):close()
        while true do end
      ]]):format(mark) }
      eventually(function() return lfs.attributes(mark, "mode") end, 10, "the script runs")
      n:signal(name)
      local code, how, number = n.process:wait(5)
      assert.same({ nil, "signal", posix_signal[name] }, { code, how, number })
    end)
  end
end)
