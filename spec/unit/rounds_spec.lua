-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local peers = require "unit.peers"
local C = require("support.unit").load("change/rounds.h", "peer/peer_in.h", "peer/peers.h",
  "peer/stand_in.h",   "base/clock.h", "base/hash.h", "base/mem.h")

local SELF, B, D = "http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3"

describe("the rounds of a change", function()
  local p, peer, r

  before_each(function()
    p = peers.new(SELF)
    peers.set(p, { SELF, B })
    peer = peers.at(p, 1)
    C.clock_advance(1000)
    r = ffi.new "struct rounds"
    C.rounds_init(r, p)
  end)

  after_each(function()
    C.rounds_deinit(r)
    C.peer_unref(peer)
    C.peers_free(p)
  end)

  local NEVER = -1ULL

  -- stood_in: milliseconds since the peer was asked in place of an owner.
  local function heard(differs, since, urls, stood_in)
    C.clock_advance(10)
    local ring = ffi.new "struct tell_ring"
    ring.differs, ring.since_ms, ring.urls, ring.n = differs and 1 or 0, since, urls, #(urls or "")
    ring.stood_in_ms = stood_in or NEVER
    C.rounds_heard(r, peer, ring)
  end

  local function enough(alone, failed)
    return C.rounds_are_enough(r, alone and 1 or 0, failed and 1 or 0) == 1
  end

  local function unsettled()
    local found = C.rounds_unsettled(r)
    local url = found ~= nil and ffi.string(found.url) or nil
    C.peer_unref(found)
    return url
  end

  local function next_round()
    C.clock_advance(10)
    C.rounds_begin(r)
  end

  it("are one when all nodes have the same ring, and had it since it began", function()
    heard(false, 1e6)
    assert.is_true(enough())
    assert.equal(B, unsettled()) -- the youngest, in any case
  end)

  it("are one when nobody says anything of rings, as Go nodes", function()
    assert.is_true(enough())
    assert.equal(B, unsettled()) -- any other
  end)

  it("are two when a list has changed meanwhile", function()
    heard(false, 5)
    assert.is_false(enough())
    C.clock_advance(10)
    C.rounds_begin(r)
    heard(false, 1e6)
    assert.is_true(enough())
  end)

  it("are two when our list has changed meanwhile", function()
    heard(false, 1e6)
    peers.set(p, { SELF, B, D })
    assert.is_false(enough())
    C.clock_advance(10)
    C.rounds_begin(r)
    heard(false, 1e6)
    assert.is_true(enough())
  end)

  it("are three when rings differ and stay as they are", function()
    for round = 1, C.ROUNDS do
      heard(true, 1e6)
      assert.equal(round == C.ROUNDS, enough())
      assert.equal(B, unsettled())
      C.rounds_begin(r)
    end
  end)

  it("begin anew when a ring changes again", function()
    heard(true, 1e6)
    C.rounds_begin(r)
    heard(true, 5)
    for round = 1, C.ROUNDS do
      assert.is_false(enough(), round)
      C.clock_advance(10)
      C.rounds_begin(r)
      heard(true, 1e6)
    end
    assert.is_true(enough())
  end)

  it("are two when a node was asked in place of an owner since the first began", function()
    heard(false, 1e6, nil, 5)
    assert.is_false(enough())
    assert.equal(B, unsettled())
    next_round()
    heard(false, 1e6, nil, 5) -- it is asked all the time, and has no old value any more
    assert.is_true(enough())
  end)

  it("are two when this node was", function()
    heard(false, 1e6)
    C.stand_in_note(p)
    assert.is_false(enough())
    next_round()
    C.stand_in_note(p)
    heard(false, 1e6)
    assert.is_true(enough())
  end)

  it("are one when it was asked before, or when a node has not confirmed", function()
    C.stand_in_note(p)
    C.rounds_deinit(r)
    C.clock_advance(10)
    C.rounds_init(r, p)
    heard(false, 1e6, nil, 1000)
    assert.is_true(enough())
    heard(false, 1e6, nil, 5)
    assert.is_false(enough(false, false))
    assert.is_true(enough(false, true))
  end)

  it("are one more after a ring that differed, for the sake of a stand-in", function()
    heard(true, 1e6)
    next_round()
    heard(false, 1e6, nil, 5)
    assert.is_false(enough())
    next_round()
    heard(false, 1e6, nil, 5)
    assert.is_true(enough())
  end)

  it("are one more if a list has changed between two with a stand-in", function()
    heard(false, 1e6, nil, 5)
    next_round()
    heard(false, 15, nil, 5) -- before this round began, and after the one before it did
    assert.is_false(enough())
    next_round()
    heard(false, 1e6, nil, 5)
    assert.is_true(enough())
  end)

  it("tell the nodes that only others know, from the next round on", function()
    local function strangers()
      local n, found = ffi.new "size_t[1]", {}
      local list = C.rounds_strangers(r, n)
      for i = 0, tonumber(n[0]) - 1 do
        found[i + 1] = ffi.string(list[i].url)
        C.peer_unref(list[i])
      end
      C.mem_free(list)
      return found
    end
    assert.same({}, strangers())
    heard(true, 1e6, ("%s\n%s\n%s\nnonsense\n\nunfinished"):format(SELF, B, D))
    assert.same({ D }, strangers())
    heard(true, 1e6, D .. "\n")
    assert.same({ D }, strangers())
    for _ = 1, C.ROUNDS do
      assert.is_false(enough())
      C.clock_advance(10)
      C.rounds_begin(r)
      heard(true, 1e6, D .. "\n")
    end
    assert.is_true(enough())
  end)

  it("are bounded in how many of those they tell", function()
    local urls = {}
    for i = 1, C.ROUNDS_MAX_STRANGE + 10 do
      urls[i] = ("http://127.0.0.1:%d\n"):format(1000 + i)
    end
    heard(true, 1e6, table.concat(urls))
    assert.equal(C.ROUNDS_MAX_STRANGE, tonumber(r.n_strange))
  end)

  it("know a node that has left by a connection that cannot be made", function()
    heard(true, 1e6, D .. "\n")
    assert.equal(0, C.rounds_has_left(r, r.strange[0]))
    C.contact_lost(r.strange[0])
    assert.equal(1, C.rounds_has_left(r, r.strange[0]))
    C.contact_lost(peer) -- a listed one has not left
    assert.equal(0, C.rounds_has_left(r, peer))
  end)

  it("are one of a node that is alone, unless it gets peers meanwhile", function()
    assert.is_true(enough(true))
    peers.set(p, { SELF, B, D })
    assert.is_false(enough(true))
  end)
end)
