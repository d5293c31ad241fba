-- SPDX-License-Identifier: MIT

-- `groupcached stats --json` wrote the empty lists of /stats as objects.

local node = require "support.node"
local process = require "support.process"
local rig = require "node.rig"

describe("groupcached stats --json", function()
  it("has empty lists as lists", function()
    local n = node.start {
      script = [[require("groupcache").group("g", { getter = function() return "v" end })]] }
    local out = process.run { node.binary, "stats", "--json", "--node", n.url, timeout = 30 }
    rig.stop(n)
    assert.equal(0, out.code, out.stderr)
    assert.matches('"peers":[]', out.stdout, 1, true)
    assert.matches('"sources":[]', out.stdout, 1, true)
    assert.matches('"background":{}', out.stdout, 1, true)
  end)
end)
