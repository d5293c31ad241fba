-- SPDX-License-Identifier: MIT

-- An owner that had stood still carried out a set that its sender had given up, if the set had come
-- over TLS: the sender says by a record that it closes the connection, and these bytes were taken
-- for its next request.

local certs = require "support.certs"
local eventually = require "support.eventually"
local node = require "support.node"
local rig = require "node.rig"

describe("a set over TLS that was given up before its owner came to it", function()
  it("is not made any more", function()
    local ca, peers = certs.ca "the cluster", {}
    local nodes = node.cluster(2, { tls = {},
      script = [[
        require("groupcache").group("g", { writable = true, timeout = 0.5, hot = "never",
          getter = function() return "origin" end })
      ]],
      each = function(i, opts)
        local pair = ca:issue()
        peers[i] = opts.self
        opts.tls = { cert = pair.cert, key = pair.key, ca = ca.path, client_auth = "peers" }
      end,
    })
    local owner, other = nodes[1], nodes[2]
    local key = "/cache/g/" .. rig.owned_by(peers, owner.url, "k")
    assert.equal("origin", other:curl { key }.body) -- from here on there is a connection
    owner:freeze()
    assert.equal(502, other:curl { key, method = "PUT", body = "late" }.status)
    owner:signal "SIGCONT"
    eventually(function() return other:stats().unconfirmed == 0 end, 20, "the removal is confirmed")
    assert.equal(0, owner:stats().groups.g.sets)
    assert.equal("origin", other:curl { key }.body)
    for _, n in ipairs(nodes) do rig.stop(n) end
  end)
end)
