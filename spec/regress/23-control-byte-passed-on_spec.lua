-- SPDX-License-Identifier: MIT

-- A header that a group passes on held a byte that our own requests refuse. Asked through another
-- node the key failed; asked at its owner it did not.

local node = require "support.node"
local rig = require "node.rig"

describe("a header with a control byte", function()
  it("is left out on the way to the owner", function()
    local nodes = node.cluster(2, { script = [[
      require("groupcache").group("g", { pass_headers = { "x-a", "x-b" },
        getter = function(key, ctx) return key .. (ctx.headers["x-b"] or "none") end })
    ]] })
    local key = rig.owned_by({ nodes[1].url, nodes[2].url }, nodes[2].url, "k")
    local res = assert(nodes[1]:get("g", key, { headers = { ["x-a"] = "\1", ["x-b"] = "b" } }))
    assert.same({ 200, key .. "b" }, { res.status, res.body })
    rig.stop(nodes[1])
    rig.stop(nodes[2])
  end)
end)
