-- SPDX-License-Identifier: MIT

-- At a stop the last snapshot was written while getters still ran, though it says that nobody
-- changes a group any more.

local eventually = require "support.eventually"
local node = require "support.node"
local rig = require "node.rig"
local tmp = require "support.tmp"

describe("a getter that runs while its node stops", function()
  it("has ended when the last snapshot is written", function()
    local r = rig.new()
    local n = node.start { script = r:script [[
      require("groupcache").group("g", { getter = function(key)
        rig.record(key)
        -- It blocks its thread, so it goes on after the groups are closed.
        os.execute "sleep 0.4; echo the getter goes on >&2"
        return "v"
      end })
    ]], args = { "--snapshot-path", tmp.dir() .. "/snapshot", "--workers", 1,
      "--drain-timeout", 0 } }
    local sock = n:connect()
    sock:send "GET /cache/g/late HTTP/1.1\r\nHost: x\r\n\r\n"
    eventually(function() return r:calls().late end, 10, "the getter runs")
    rig.stop(n)
    sock:close()
    assert.matches("the getter goes on.* msg=\"written\".* last=1", n:log())
  end)
end)
