-- SPDX-License-Identifier: MIT

-- A node that stops hands its items over in parcels. If there was no memory for the bytes of a
-- parcel, it was neither sent nor emptied, and the next items were written behind its end.

jit.off(true, true)

local engine = require "unit.engine"
local ffi = require "ffi"
local key_ref = require "unit.key_ref"
local peers = require "unit.peers"
local C = require("support.unit").load("change/handing.h", "peer/peer_in.h", "peer/peers.h",
  "cache/groups.h", "cache/group.h", "cache/group_hand.h", "net/net.h", "base/clock.h",
  "base/hash.h", "base/mem.h")

local SELF, B = "http://127.0.0.1:1", "http://127.0.0.1:2" -- nobody listens there
local ITEMS = 2000 -- of which one parcel has 500 at most

describe("handing over without memory", function()
  local net, p, g, groups, peers_of

  setup(function()
    local e = ffi.new "struct error"
    net = C.net_start(ffi.new "struct net_opts", e)
    assert(net ~= nil)
    p = peers.new(SELF, { net = net })
    peers.set(p, { SELF, B })
    local peer = C.peers_find_or_make(p, B)
    peer.kind = C.PEER_OURS
    C.peer_unref(peer)
    g = engine.group {}
    local v = ffi.new "struct group_handed"
    v.bytes, v.n = "v", 1
    for i = 1, ITEMS do
      assert.equal(1, C.group_hand_keep(g.c, key_ref("key " .. i), v))
    end
    groups = C.groups_new()
    assert.equal(1, C.groups_add(groups, g.c))
    peers_of = ffi.cast("struct peers *(*)(const struct group *)", function() return p end)
  end)

  teardown(function()
    C.mem_fail_after(-1)
    C.net_stop(net)
    C.groups_free(groups)
    peers_of:free()
    g:ended() -- no item is still held
    C.peers_free(p)
  end)

  it("sends nothing of the parcel that lacks bytes, and goes on", function()
    C.mem_fail_after(0)
    assert.equal(0, tonumber(C.handing_over(groups, peers_of, C.clock_ms() + 10000, nil, nil)))
  end)
end)
