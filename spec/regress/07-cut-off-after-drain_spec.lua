-- SPDX-License-Identifier: MIT

-- When `drain_timeout` had passed, a node failed its loads and stopped the HTTP threads at once. A
-- parked client got its 503, or only the end of its connection: that was a race.

local eventually = require "support.eventually"
local http = require "support.http"
local node = require "support.node"

describe("a client that waits when the node ends", function()
  it("is told so, every time", function()
    for _ = 1, 5 do
      local n = node.start { args = { "--drain-timeout", "0" }, script = [[
        local groupcache = require "groupcache"
        groupcache.group("g", { timeout = 60, getter = function() groupcache.sleep(60) end })
      ]] }
      local fns, statuses = {}, {}
      for i = 1, 50 do
        fns[i] = function()
          local res, err = n:get("g", "k" .. i)
          statuses[i] = res and res.status or err
        end
      end
      fns[51] = function()
        eventually(function() return n:stats().groups.g.waiters == 50 end)
        n:signal "SIGTERM"
      end
      http.together(fns)
      assert.equal(0, n.process:wait(10))
      for i = 1, 50 do
        assert.equal(503, statuses[i])
      end
    end
  end)
end)
