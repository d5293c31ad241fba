-- SPDX-License-Identifier: MIT

-- A Go node reads a key's rate from a node of ours, and ignores it.

local golang = require "interop.golang"
local node = require "support.node"
local ports = require "support.ports"

describe("a Go node", function()
  it("takes the value of a hot key, whose rate stands behind it", function()
    local go, port = golang.start(), ports.free()
    local urls = { go.url, "http://127.0.0.1:" .. port }
    go:set_peers(urls)
    local ours = node.start { port = port, peers = urls, script = [[
      require("groupcache").group("interop", {
        hot = "rate",
        getter = function(key) return "v:" .. key end,
      })
    ]] }
    finally(function()
      go:kill9()
      ours:stop()
    end)
    local key = go:key_owned_by(ours.url, "hot%d")
    for _ = 1, 50 do
      assert.equal(200, assert(ours:get("interop", key)).status)
    end
    local answer = ours:request { target = "/_groupcache/interop/" .. key }
    assert.equal(#("v:" .. key) + 2 + 9, #answer.body) -- the rate is there
    assert.equal("v:" .. key, assert(go:get(key)))
    assert.same({}, go:loads())
  end)
end)
