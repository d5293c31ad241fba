-- SPDX-License-Identifier: MIT

-- spec/regress/83-peer-moves_spec.lua follows a peer to its new address.

local ffi = require "ffi"
local peers = require "unit.peers"
local C = require("support.unit").load("peer/peer_in.h", "peer/peers.h", "net/fetch.h",
  "net/lane.h", "base/hash.h", "base/mem.h", "base/clock.h")

local SELF, OTHER = "http://127.0.0.1:1", "http://127.0.0.1:2"

describe("a contact with a peer", function()
  local p, peer

  setup(function()
    p = peers.new(SELF, { connect_timeout_ms = 77 })
    peers.set(p, { SELF, OTHER })
    peer = peers.at(p, 1)
  end)

  teardown(function()
    C.peer_unref(peer)
    C.peers_free(p)
  end)

  local function begin(lane)
    local o, headers = ffi.new "struct fetch_opts", ffi.new("const char *[?]", C.CONTACT_HEADERS)
    local line = ffi.new("char[?]", C.AGREE_LINE)
    o.lane = lane
    C.contact_begin(peer, o, headers, line)
    local said = {}
    for i = 1, tonumber(o.n_headers) do
      said[i] = ffi.string(headers[i - 1]):match "^[^:]*"
    end
    return said, o
  end

  it("says who asks, by which ring, and with the node's identity", function()
    local said, o = begin(C.NET_PEERS)
    assert.same({ "X-Groupcache-From", "X-Groupcache-View" }, said)
    assert.equal(1, o.identity)
    assert.equal(77, tonumber(o.connect_timeout_ms))
  end)

  it("names no ring in a question, which is about no group", function()
    assert.same({ "X-Groupcache-From" }, (begin(C.NET_CHECKS)))
  end)

  it("uses no address that was known when the peer was lost", function()
    local _, o = begin(C.NET_PEERS)
    assert.equal(0, tonumber(o.name_ms))
    C.contact_lost(peer)
    _, o = begin(C.NET_PEERS)
    assert(o.name_ms >= 1 and o.name_ms < 1000, tonumber(o.name_ms))
    peer.lost_ms = C.clock_real_ms() - 30000
    _, o = begin(C.NET_PEERS)
    assert(o.name_ms >= 30000 and o.name_ms < 31000, tonumber(o.name_ms))
    peer.lost_ms = C.clock_real_ms() - 61000
    _, o = begin(C.NET_PEERS)
    assert.equal(0, tonumber(o.name_ms))
  end)
end)
