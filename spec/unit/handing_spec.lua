-- SPDX-License-Identifier: MIT

-- spec/node/warm_spec.lua has a node that hands over what it holds.

jit.off(true, true)

local engine = require "unit.engine"
local ffi = require "ffi"
local key_ref = require "unit.key_ref"
local peers = require "unit.peers"
local C = require("support.unit").load("change/handing.h", "peer/peer_in.h", "peer/peers.h",
  "cache/groups.h", "cache/group.h", "cache/group_hand.h", "base/clock.h", "base/hash.h",
  "base/mem.h")

local SELF, B = "http://127.0.0.1:1", "http://127.0.0.1:2"

describe("handing over what a node holds", function()
  local p, g, groups, peers_of

  before_each(function()
    p = peers.new(SELF)
    peers.set(p, { SELF, B })
    g = engine.group {}
    local v = ffi.new "struct group_handed"
    v.bytes, v.n = "v", 1
    for i = 1, 10 do
      assert.equal(1, C.group_hand_keep(g.c, key_ref("key " .. i), v))
    end
    groups = C.groups_new()
    assert.equal(1, C.groups_add(groups, g.c))
    peers_of = ffi.cast("struct peers *(*)(const struct group *)", function() return p end)
  end)

  after_each(function()
    C.groups_free(groups)
    peers_of:free()
    g:ended() -- no item is still held
    C.peers_free(p)
  end)

  local function say(ms, hurry)
    local began = tonumber(C.clock_real_ms())
    local n = tonumber(C.handing_over(groups, peers_of, C.clock_ms() + ms, hurry, nil))
    return n, tonumber(C.clock_real_ms()) - began
  end

  it("sends nothing to a node that is not known to be one of ours", function()
    local n, took = say(5000)
    assert.equal(0, n)
    assert(took < 2000, took)
  end)

  it("is over when its time is, or when there is no time to lose", function()
    assert.equal(0, (say(0)))
    local hurry = ffi.cast("int (*)(void *)", function() return 1 end)
    assert.equal(0, (say(5000, hurry)))
    hurry:free()
  end)
end)
