-- SPDX-License-Identifier: MIT

-- A getter asked a group where it could not wait. It failed and its load was freed. But the wait,
-- which is collected later, still pointed to the load.

local node = require "support.node"
local rig = require "node.rig"

describe("a getter that cannot wait for what it asked", function()
  it("leaves no wait behind that hangs on its load", function()
    local n = node.start { args = { "--workers", "1" }, script = [[
      local groupcache = require "groupcache"
      local slow = groupcache.group("slow", { getter = function()
        groupcache.sleep(0.05)
        return "slow"
      end })
      groupcache.group("g", { getter = function(key)
        return coroutine.wrap(function() return slow:get(key) end)()
      end })
      groupcache.group("collect", { getter = function()
        collectgarbage()
        groupcache.sleep(0.1)
        return "collected"
      end })
    ]] }
    for i = 1, 20 do
      assert.equal(502, assert(n:get("g", "k" .. i)).status)
    end
    assert.equal("collected", assert(n:get("collect", "k")).body)
    rig.stop(n)
  end)
end)
