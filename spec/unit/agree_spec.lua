-- SPDX-License-Identifier: MIT

-- spec/node/agree_spec.lua has the log and /stats.

local ffi = require "ffi"
local peers = require "unit.peers"
local C = require("support.unit").load("peer/peer_in.h", "peer/agree.h", "peer/peers.h",
  "base/clock.h", "base/hash.h", "base/mem.h", "base/log.h")

local SELF, OTHER = "http://127.0.0.1:1", "http://127.0.0.1:2"
local ANOTHER_RING = "0.0.7.8e58ae85.2.1"

describe("agreement", function()
  local p, peer

  before_each(function()
    C.log_set_level(C.LOG_OFF)
    p = peers.new(SELF)
    peers.set(p, { SELF, OTHER })
    peer = peers.at(p, 1)
  end)

  after_each(function()
    C.peer_unref(peer)
    C.peers_free(p)
    C.log_set_level(C.LOG_INFO)
  end)

  local function state()
    return tonumber(peer.agree.state)
  end

  local function line()
    local out = ffi.new("char[?]", C.AGREE_LINE)
    C.agree_put(p, out)
    return ffi.string(out)
  end

  local function asked(from, text)
    local own = ffi.new("char[?]", C.OUTLINE_TEXT)
    return C.agree_asked(p, from, text, own) == 1 and ffi.string(own)
  end

  it("is unknown before an exchange", function()
    assert.equal(tonumber(C.AGREE_UNKNOWN), state())
  end)

  it("is seen by the node that is asked, which answers with its own outline", function()
    local own = line():match "^X%-Groupcache%-View: (.*)$"
    assert.is_false(asked(OTHER, own))
    assert.equal(own, asked(OTHER, ANOTHER_RING))
    assert.equal(tonumber(C.AGREE_DIFFERS), state())
    assert.is_false(asked(OTHER, own))
    assert.equal(tonumber(C.AGREE_SAME), state())
  end)

  it("is seen by the node that asks", function()
    C.agree_answered(peer, nil)
    assert.equal(tonumber(C.AGREE_SAME), state())
    C.agree_answered(peer, ANOTHER_RING)
    assert.equal(tonumber(C.AGREE_DIFFERS), state())
    C.agree_answered(peer, nil)
    assert.equal(tonumber(C.AGREE_SAME), state())
    assert.equal(0, tonumber(p.differing))
  end)

  it("does not count who has left the list, or was never in it", function()
    C.agree_answered(peer, ANOTHER_RING)
    assert.equal(1, tonumber(p.differing))
    peers.set(p, { SELF, OTHER, "http://127.0.0.1:3" })
    assert.equal(1, tonumber(p.differing))
    peers.set(p, { SELF })
    assert.equal(0, tonumber(p.differing))
    C.agree_answered(peer, nil)
    C.agree_answered(peer, ANOTHER_RING)
    assert.equal(0, tonumber(p.differing))
    peers.set(p, { SELF, OTHER })
    local again = peers.at(p, 1)
    C.agree_answered(again, ANOTHER_RING)
    assert.equal(1, tonumber(p.differing))
    C.agree_answered(again, nil)
    assert.equal(0, tonumber(p.differing))
    C.peer_unref(again)
  end)

  it("is told once it has lasted", function()
    for _ = 1, 2 do
      C.agree_answered(peer, ANOTHER_RING)
      C.clock_advance(C.AGREE_PATIENCE_MS - 1)
      C.agree_answered(peer, ANOTHER_RING)
      assert.equal(0, peer.agree.told)
      C.clock_advance(1)
      C.agree_answered(peer, ANOTHER_RING)
      assert.equal(1, peer.agree.told)
      C.agree_answered(peer, nil)
      assert.equal(0, peer.agree.told)
    end
  end)

  it("is not lost for a node that is not listed, or that does not say who it is", function()
    local own = line():match "^X%-Groupcache%-View: (.*)$"
    assert.equal(own, asked(nil, ANOTHER_RING))
    assert.equal(own, asked("http://127.0.0.1:9", ANOTHER_RING))
    assert.equal("http://127.0.0.1:9", ffi.string(p.stranger_url))
    assert.equal(own, asked("http://" .. ("x"):rep(1000), ("1"):rep(1000)))
    assert.equal(tonumber(C.AGREE_UNKNOWN), state())
    assert.equal(0, tonumber(p.differing)) -- else each later request looks its sender up
  end)

  it("is about the present list", function()
    local before, e = line(), ffi.new "struct error"
    assert.equal(0, tonumber(C.peers_set(p, ffi.new("const char *[1]", { SELF }), 1, e)))
    assert.not_equal(before, line())
    assert.equal(0, tonumber(C.peers_set(p, ffi.new("const char *[2]", { OTHER, SELF }), 2, e)))
    assert.equal(before, line())
  end)
end)
