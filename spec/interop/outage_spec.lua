-- SPDX-License-Identifier: MIT

-- A real Go node among three gets into trouble: spec/node/outage_spec.lua with another third node.

local golang = require "interop.golang"
local http = require "support.http"
local outage = require "node.outage"
local ports = require "support.ports"
local socket = require "socket"
local nodes = require "interop.nodes"

describe("a Go node in trouble fails no request of ours", function()
  for _, kind in ipairs { "kill", "stop", "flap", "mute", "slow", "garbage" } do
    it("by " .. kind, function()
      outage.check(kind, { go = golang })
    end)
  end
end)

describe("a slow getter of a Go node that lives", function()
  it("runs once, and no other node is asked", function()
    local port = ports.free()
    local url = "http://127.0.0.1:" .. port
    local go = golang.start()
    go:set_peers { url, go.url }
    local c = nodes.start { port = port, peers = { url, go.url } }
    for i = 1, 100 do -- our node learns how soon the other answers
      http.request(c:asking(go:key_owned_by(go.url, "quick" .. i .. "-%d")))
    end
    local key = go:key_owned_by(go.url, "slow:1500:%d")
    local began = socket.gettime()
    local res = assert(http.request(c:asking(key)))
    assert.same({ 200, "v:" .. key }, { res.status, res.body })
    assert(socket.gettime() - began >= 1.5)
    assert.equal(1, go:loads()[key])
    assert.is_nil(c:loads()[key])
    for _, peer in ipairs(c:stats().peers) do
      assert.same({ "fine", 0, 0 }, { peer.state, peer.ejections, peer.hedges })
    end
    nodes.stop { go, c }
  end)
end)
