-- SPDX-License-Identifier: MIT

-- spec/node/warm_spec.lua has the loads that it saves.

local ffi = require "ffi"
local peers = require "unit.peers"
local C = require("support.unit").load("peer/handover.h", "peer/peer_in.h", "peer/peers.h",
  "cache/flight.h", "cache/group.h", "base/clock.h", "base/hash.h", "base/mem.h")

local SELF, B, D = "http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3"

describe("the node to ask before a getter", function()
  local p

  before_each(function()
    p = peers.new(SELF)
    C.clock_advance(C.PEERS_WARM_MS)
  end)

  after_each(function() C.peers_free(p) end)

  local function url_of(peer)
    local url = peer ~= nil and ffi.string(peer.url) or nil
    C.peer_unref(peer)
    return url
  end

  local function owner_of(key)
    return url_of(C.peers_place(p, key, #key))
  end

  local function key_of(url)
    for i = 1, 1000 do
      local key = ("key %d of the ring"):format(i)
      if owner_of(key) == url then return key end
    end
  end

  -- Who is asked before a load of the key: that a peer has asked for, or a client.
  local function asked(key, from_peer)
    local fs, woken = C.flights_new(), ffi.new "struct list"
    woken.next, woken.prev = woken, woken
    local k = ffi.new("struct key_ref", { key, #key, C.group_hash(key, #key) })
    local f = C.flights_open(fs, k, 0)
    f.from_peer = from_peer and 1 or 0
    local url = url_of(C.handover_from(p, f))
    C.flights_end(fs, f, woken)
    C.flight_unref(f)
    C.flight_unref(f)
    C.flights_free(fs)
    return url
  end

  it("is the owner in the list without this node, for a minute after it has joined", function()
    peers.set(p, { SELF, B, D })
    local key = key_of(SELF)
    local from = asked(key)
    assert.equal(from, asked(key, true))
    C.clock_advance(C.PEERS_WARM_MS)
    assert.is_nil(asked(key))
    peers.set(p, { SELF })
    peers.set(p, { B, D, SELF })
    assert.equal(from, asked(key))
  end)

  it("is none for a node that is alone, and none because others join", function()
    peers.set(p, { SELF })
    assert.is_nil(asked "key")
    peers.set(p, { SELF, B })
    C.clock_advance(C.PEERS_WARM_MS)
    peers.set(p, { SELF, B, D })
    assert.is_nil(asked(key_of(SELF)))
  end)

  it("is the owner by our ring of a key that a peer asks us for, while the list is new", function()
    peers.set(p, { SELF, B })
    C.clock_advance(C.PEERS_WARM_MS)
    peers.set(p, { SELF, B, D })
    local key = key_of(D)
    assert.equal(D, asked(key, true))
    assert.is_nil(asked(key)) -- a client's load went there already
    C.clock_advance(C.PEERS_WARM_MS)
    assert.is_nil(asked(key, true))
  end)

  it("is no Go node, and none that could not be reached just now", function()
    peers.set(p, { SELF, B })
    local key, n = key_of(SELF), ffi.new "size_t[1]"
    local list = C.peers_list(p, n)
    list[1].kind = C.PEER_OTHER
    assert.is_nil(asked(key))
    list[1].kind = C.PEER_OURS
    assert.equal(B, asked(key))
    C.contact_lost(list[1])
    assert.is_nil(asked(key))
    C.peer_unref(list[0])
    C.peer_unref(list[1])
    C.mem_free(list)
  end)
end)
