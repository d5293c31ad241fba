-- SPDX-License-Identifier: MIT

-- A child slept when its getter ended, and its timer stayed in the VM. When a reload had ended the
-- VM's thread, the VM waited for that timer for ever, and was never freed.

local eventually = require "support.eventually"
local node = require "support.node"
local rig = require "node.rig"

describe("a nap that nobody waits for", function()
  it("does not keep its VM when a reload has made a new one", function()
    local n = node.start { args = { "--workers", "1" }, script = [[
      local groupcache = require "groupcache"
      groupcache.group("g", { getter = function()
        kept = groupcache.spawn(groupcache.sleep, 100000)
        return "awake"
      end })
    ]] }
    assert.equal("awake", assert(n:get("g", "k")).body)
    n:signal "SIGHUP"
    eventually(function() return n:logged "msg=\"reloaded\"" end, 5, "the reload")
    eventually(function() return n:stats().workers.retiring == 0 end, 5, "the old VM goes")
    rig.stop(n)
  end)
end)
