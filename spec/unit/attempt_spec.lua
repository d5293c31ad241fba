-- SPDX-License-Identifier: MIT

local engine = require "unit.engine"
local ffi = require "ffi"
local peers = require "unit.peers"
local C = require("support.unit").load("peer/peer_in.h", "peer/peers.h", "cache/group.h",
  "base/err.h", "base/hash.h", "base/mem.h")

local SELF, B, D = "http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3"

describe("an attempt", function()
  local p, g, by_url

  before_each(function()
    p = peers.new(SELF)
    peers.set(p, { SELF, B, D })
    local n = ffi.new "size_t[1]"
    local list = C.peers_list(p, n)
    by_url = {}
    for i = 0, 2 do
      by_url[ffi.string(list[i].url)] = list[i]
    end
    C.mem_free(list)
    g = engine.group { owner = function() return true end, hot = C.HOT_ALWAYS, max_loads = 4 }
  end)

  after_each(function()
    g:ended()
    for _, peer in pairs(by_url) do
      C.peer_unref(peer)
    end
    C.peers_free(p)
  end)

  local function url_of(peer)
    local url = peer ~= nil and ffi.string(peer.url) or SELF
    C.peer_unref(peer)
    return url
  end

  -- A key and its owners, first and next.
  local function key_of(first, next_one)
    for i = 1, 10000 do
      local key = ("key %d of the ring"):format(i)
      local owner = C.peers_place(p, key, #key)
      local second = C.peers_next(p, key, #key, owner)
      if url_of(owner) == first and url_of(second) == next_one then
        return key
      end
    end
    error "no such key"
  end

  -- The ticket of a get of the key, and its load at its owner.
  local function ask(key, owner)
    local ticket = g:get(key)
    local load = g.loads[#g.loads]
    C.attempt_begin(by_url[owner], load.flight)
    return ticket, load
  end

  -- The load that was started elsewhere: at a peer, or here.
  local function second(of)
    local load = g.loads[#g.loads]
    assert.is_true(load ~= of)
    if load.peer then
      C.attempt_begin(load.peer, load.flight)
    end
    return load
  end

  local function give(load, url, text)
    g:release(load)
    local v = ffi.new "struct peer_value"
    v.bytes, v.n = text, #text
    C.attempt_give(by_url[url], load.flight, v)
  end

  local function fail(load, url)
    g:release(load)
    C.attempt_unusable(by_url[url], load.flight, "for the spec")
  end

  local function source(key)
    local t = g:get(key)
    return t.hit and t.source or "none"
  end

  local function drop(load)
    C.peer_unref(load.peer)
  end

  it("of the owner ends the load, and its value may be kept", function()
    local key = key_of(B, D)
    local t, load = ask(key, B)
    give(load, B, "value")
    assert.equal("value", t.value)
    assert.equal("hot", source(key))
  end)

  it("that fails goes to the next owner on the ring, whose value is not kept", function()
    local key = key_of(B, D)
    local t, load = ask(key, B)
    fail(load, B)
    local next_load = second(load)
    assert.equal(D, ffi.string(next_load.peer.url))
    give(next_load, D, "value of D")
    assert.equal("value of D", t.value)
    drop(next_load)
    local again = g:get(key) -- a miss
    assert.is_nil(again.hit)
    g:fail(g.loads[#g.loads], "GETTER")
  end)

  it("that fails where this node is the next owner is loaded here, and kept", function()
    local key = key_of(B, SELF)
    local t, load = ask(key, B)
    fail(load, B)
    local here = second(load)
    assert.equal("local", here.kind)
    g:finish(here, "ours")
    assert.equal("ours", t.value)
    assert.equal("main", source(key))
  end)

  it("at two peers that both fail is loaded here", function()
    local key = key_of(B, D)
    local t, load = ask(key, B)
    fail(load, B)
    local next_load = second(load)
    fail(next_load, D)
    drop(next_load)
    local here = second(next_load)
    assert.equal("local", here.kind)
    g:finish(here, "ours")
    assert.equal("ours", t.value)
  end)

  it("without a sign of life is made elsewhere too, once, and the first answer counts", function()
    local key = key_of(B, D)
    local t, load = ask(key, B)
    assert.equal(1, C.attempt_hedge(by_url[B], load.flight))
    local other = second(load)
    assert.equal(0, C.attempt_hedge(by_url[B], load.flight))
    give(other, D, "value of D")
    assert.equal("value of D", t.value)
    give(load, B, "too late")
    drop(other)
    assert.is_nil(g:get(key).hit)
    g:fail(g.loads[#g.loads], "GETTER")
  end)

  it("that answers after all is not made worse by the other one", function()
    local key = key_of(B, D)
    local t, load = ask(key, B)
    C.attempt_hedge(by_url[B], load.flight)
    local other = second(load)
    fail(other, D) -- the owner may still answer
    drop(other)
    assert.equal(0, t.wakes)
    give(load, B, "value of B")
    assert.equal("value of B", t.value)
    assert.equal("hot", source(key))
  end)

  it("that fails while our getter loads the key anyway starts nothing more", function()
    local key = key_of(B, SELF)
    local t, load = ask(key, B)
    assert.equal(1, C.attempt_hedge(by_url[B], load.flight))
    local here = second(load)
    assert.equal("local", here.kind)
    local started = #g.started
    fail(load, B)
    assert.equal(started, #g.started)
    g:finish(here, "ours")
    assert.equal("ours", t.value)
  end)

  it("of a key of two dead owners is BUSY beyond half of max_loads", function()
    local key, loads = key_of(B, D), {}
    for i = 1, 3 do
      local t = g:get(key .. i)
      loads[i] = { t = t, load = g.loads[#g.loads] }
    end
    for i = 1, 3 do
      g:fallback(loads[i].load, false)
    end
    assert.equal("BUSY", loads[3].t.code)
    for i = 1, 2 do
      assert.is_nil(loads[i].t.code)
      g:finish(g.loads[1], "ours")
      assert.equal("ours", loads[i].t.value)
    end
    local t = g:get(key) -- there is room again
    g:fallback(g.loads[1], false)
    g:finish(g.loads[1], "ours")
    assert.equal("ours", t.value)
  end)
end)
