-- SPDX-License-Identifier: MIT

-- spec/regress/84-rejoin-with-old-values_spec.lua tells real nodes.

jit.off(true, true)

local ffi = require "ffi"
local key_ref = require "unit.key_ref"
local peers = require "unit.peers"
local C = require("support.unit").load("change/greet.h", "peer/peer_in.h", "peer/peers.h",
  "cache/groups.h", "cache/group.h", "base/hash.h", "base/mem.h")

local SELF, B = "http://127.0.0.1:1", "http://127.0.0.1:2"

describe("a greeting", function()
  local p, peer, greetings, groups, peers_of

  before_each(function()
    p = peers.new(SELF)
    peers.set(p, { SELF })
    peer = C.peers_find_or_make(p, B) -- in no list
    peer.waits = 1
    groups = C.groups_new()
    local opts, loader = ffi.new "struct group_opts", ffi.new "struct loader"
    C.group_opts_init(opts)
    local g = C.group_new("g", "text/plain", opts, loader)
    assert.equal(1, C.groups_add(groups, g))
    C.group_unref(g)
    peers_of = ffi.cast("struct peers *(*)(const struct group *)", function() return p end)
    greetings = C.greet_list_new(peers_of)
  end)

  after_each(function()
    C.greet_list_free(greetings)
    peers_of:free()
    C.peer_unref(peer)
    C.groups_free(groups)
    C.peers_free(p)
  end)

  it("is over at once when there is nothing to tell", function()
    C.greet(greetings, groups, peer, 0)
    assert.equal(0, tonumber(peer.waits))
  end)

  it("is over at once when the node has left the list again", function()
    local g = C.groups_find(groups, "g", 1)
    C.group_remove(g, key_ref "k")
    C.group_unref(g)
    C.greet(greetings, groups, peer, 0)
    assert.equal(0, tonumber(peer.waits))
    C.greet_tick(greetings, 0)
  end)
end)
