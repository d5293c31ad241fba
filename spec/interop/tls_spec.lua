-- SPDX-License-Identifier: MIT

-- Go nodes and ours in one ring, with TLS and certificates of one CA on both sides.

local certs = require "support.certs"
local golang = require "interop.golang"
local nodes = require "interop.nodes"
local ports = require "support.ports"

describe("Go nodes and ours with TLS", function()
  local ca = certs.ca "the cluster"
  local list, peers

  local function tls_of(issuer, trusted)
    local pair = (issuer or ca):issue()
    return { cert = pair.cert, key = pair.key, ca = (trusted or ca).path }
  end

  local function start(go_tls)
    local port = ports.free()
    local ours = "https://127.0.0.1:" .. port
    local one, two = golang.start { tls = go_tls or tls_of() }, golang.start { tls = tls_of() }
    list = { one, two }
    peers = { one.url, two.url, ours }
    for _, go in ipairs(list) do
      go:set_peers(peers)
    end
    local tls = tls_of()
    tls.client_auth = "peers"
    list[3] = nodes.start { port = port, peers = peers, tls = tls }
  end

  after_each(function()
    nodes.stop(list)
    list = nil
  end)

  local function ours(key)
    return list[3]:curl { "/cache/interop/" .. key }.body
  end

  it("load each key once, at its owner", function()
    start()
    for _, owner in ipairs(peers) do
      for i = 1, 5 do
        local key = list[1]:key_owned_by(owner, "key-" .. i .. "-%d.of.the.ring")
        assert.equal("v:" .. key, list[1]:get(key))
        assert.equal("v:" .. key, list[2]:get(key))
        assert.equal("v:" .. key, ours(key))
        local loads = 0
        for n, url in ipairs(peers) do
          local here = list[n]:loads()[key] or 0
          assert.equal(url == owner and 1 or 0, here)
          loads = loads + here
        end
        assert.equal(1, loads)
      end
    end
    for _, peer in ipairs(list[3]:stats().peers) do
      assert.equal(0, peer.errors, peer.url)
    end
  end)

  it("do not use a node with a certificate of another CA", function()
    local stranger = certs.ca "a stranger"
    start(tls_of(stranger, ca))
    local key = list[1]:key_owned_by(peers[1], "key-%d.of.the.ring")
    assert.equal("v:" .. key, ours(key))
    assert.is_nil(list[1]:loads()[key])
    assert.is_truthy(list[3]:logged "peer cannot be used before a certificate is changed")
    key = list[1]:key_owned_by(peers[3], "other-%d.of.the.ring")
    assert.equal("v:" .. key, list[1]:get(key)) -- it is refused, and loads the key itself
    assert.equal(1, list[1]:loads()[key])
    assert.is_nil(list[3]:loads()[key])
    -- Go shows a certificate only if a CA that the server names has issued it.
    assert.is_truthy(list[3]:logged 'msg="requests to base_path were refused"')
  end)
end)
