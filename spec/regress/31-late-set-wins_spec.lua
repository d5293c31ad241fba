-- SPDX-License-Identifier: MIT

-- An owner that had stood still carried out a set that its sender had given up. If a later set was
-- confirmed in between, the later value was replaced by the older one.

local eventually = require "support.eventually"
local node = require "support.node"
local rig = require "node.rig"

describe("a set that was given up before its owner came to it", function()
  it("is not made any more", function()
    local peers = {}
    local nodes = node.cluster(2, {
      script = [[
        require("groupcache").group("g", { writable = true, timeout = 0.5,
          getter = function() return "origin" end })
      ]],
      each = function(i, opts) peers[i] = opts.self end,
    })
    local owner, other = nodes[1], nodes[2]
    local key = rig.owned_by(peers, owner.url, "k")
    owner:freeze()
    assert.equal(502, other:get("g", key, { method = "PUT", body = "late", timeout = 20 }).status)
    owner:signal "SIGCONT"
    -- It was told to remove the key after that, so it has seen both.
    eventually(function() return other:stats().unconfirmed == 0 end, 20, "the removal is confirmed")
    assert.equal(0, owner:stats().groups.g.sets)
    assert.equal("origin", other:get("g", key).body)
    for _, n in ipairs(nodes) do rig.stop(n) end
  end)
end)
