-- SPDX-License-Identifier: MIT

-- Which items are kept, by the order's manners. Hits are counted on small seeded traces, each with
-- a trap: for the least recently used, for SIEVE or for counts. lru_spec has the order of LRU and
-- SIEVE item by item. `make bench ONLY=trace TRACES=DIR` plays real traces.

local ffi = require "ffi"
local key_ref = require "unit.key_ref"
local unit = require "support.unit"
local C = unit.load("cache/lru.h", "base/hash.h", "base/mem.h")

-- Park and Miller's minimal standard generator: the same traces everywhere.
local function generator(seed)
  local state = seed
  return function(n)
    state = state * 48271 % 2147483647
    return state % n + 1
  end
end

local COST = 416 -- about what an item costs
local LARGE = math.max(300, unit.rounds(1000)) -- items of a cache

-- Each calls get(key) so often as it likes. The cache has n items.
local TRACES = {
  ["a loop over a fifth more keys than fit"] = function(get, n)
    for _ = 1, 40 do
      for i = 1, n * 1.2 do
        get(i)
      end
    end
  end,
  ["keys that nearly fit, at random, and a scan in every second get"] = function(get, n)
    local random = generator(3)
    for i = 1, 30 * n do
      get(random(math.ceil(n * 0.8)))
      get(1000000 + i)
    end
  end,
  ["keys that are asked for three times and never again"] = function(get, n)
    for i = 1, 30 * n do
      get(i)
      get(i - math.floor(n * 0.2))
      get(i - math.floor(n * 0.4))
    end
  end,
  ["other keys, which nearly fit, after every 20 gets of a key"] = function(get, n)
    local random = generator(5)
    for phase = 1, 3 do
      for _ = 1, 20 * n do
        get(phase * 10000 + random(math.ceil(n * 0.9)))
      end
    end
  end,
  ["few keys often, many seldom"] = function(get, n)
    local random = generator(11)
    for _ = 1, 60 * n do
      get(math.floor(10 * n / random(10 * n)) + random(3) * 100000)
    end
  end,
  ["popular keys that change slowly"] = function(get, n)
    local random = generator(13)
    for i = 1, 60 * n do
      get(math.floor(i / 10) + math.floor(4 * n * (random(1000) / 1000) ^ 3))
    end
  end,
}

-- How to make room in an lru for an item of that cost: in a cache of so many items, or bytes.
local function items(most)
  local stats = ffi.new "struct lru_stats"
  return function(l, cost)
    C.lru_stats(l, stats)
    if stats.items >= most then
      C.item_unref(C.lru_evict(l, cost))
    end
  end
end

local function bytes(most)
  return function(l, cost)
    while C.lru_bytes(l) + cost > most do
      C.item_unref(C.lru_evict(l, cost))
    end
  end
end

-- The part of gets that are hits, in percent.
local function play(trace, eviction, n, make_room)
  local l, stats = C.lru_new(), ffi.new "struct lru_stats"
  C.lru_set_eviction(l, C[eviction])
  local hits, gets, seed = 0, 0, 2654435761ULL
  if not make_room then
    make_room = items(n)
    C.lru_set_room(l, n * COST)
  end
  trace(function(i)
    local k = key_ref(tostring(i), ffi.cast("uint32_t", (i + 7) * seed))
    gets = gets + 1
    if C.lru_get(l, k) ~= nil then
      hits = hits + 1
      return
    end
    local it = C.item_new(k, ("v"):rep(300), 300, 0)
    make_room(l, C.item_cost(it))
    assert(C.lru_put(l, it) == nil)
  end, n)
  C.lru_stats(l, stats)
  assert(tonumber(stats.hits) == hits)
  C.lru_free(l)
  return hits / gets * 100
end

-- Points that it may have less, where it has to learn at each change of the keys.
local BELOW = { ["other keys, which nearly fit, after every 20 gets of a key"] = 0.8 }

local function is_not_far_below_lru(name, n, make_room)
  local lru = play(TRACES[name], "EVICT_LRU", n, make_room)
  local adaptive = play(TRACES[name], "EVICT_ADAPTIVE", n, make_room)
  assert.is_true(adaptive >= lru - (BELOW[name] or 0.5),
    ("%d: %.2f against %.2f"):format(n, adaptive, lru))
end

describe("an order", function()
  for name in pairs(TRACES) do
    it("that adapts is nowhere far below the least recently used: " .. name, function()
      is_not_far_below_lru(name, LARGE)
    end)

    it("that adapts is not below it in a tiny cache either: " .. name, function()
      for _, n in ipairs { 1, 2, 5, 10, 32, 34, 50, 100 } do
        is_not_far_below_lru(name, n)
      end
    end)
  end

  it("that adapts takes few of the bytes where the hits grow steeply with them", function()
    for _, n in ipairs { 50, 300, LARGE } do
      is_not_far_below_lru("popular keys that change slowly", n, bytes(n * 400))
    end
  end)

  it("that adapts keeps most of a loop that the least recently used loses whole", function()
    local loop = TRACES["a loop over a fifth more keys than fit"]
    assert.equal(0, play(loop, "EVICT_LRU", LARGE))
    assert.is_true(play(loop, "EVICT_ADAPTIVE", LARGE) > 60)
  end)

  it("that adapts keeps the keys that are asked for beside a scan", function()
    local scan = TRACES["keys that nearly fit, at random, and a scan in every second get"]
    local lru, adaptive = play(scan, "EVICT_LRU", LARGE), play(scan, "EVICT_ADAPTIVE", LARGE)
    assert.is_true(adaptive > lru + 10, ("%.2f against %.2f"):format(adaptive, lru))
  end)

  it("that adapts has more hits than SIEVE where recency counts", function()
    local thrice = TRACES["keys that are asked for three times and never again"]
    local sieve = play(thrice, "EVICT_SIEVE", LARGE)
    local adaptive = play(thrice, "EVICT_ADAPTIVE", LARGE)
    assert.is_true(adaptive > sieve + 10, ("%.2f against %.2f"):format(adaptive, sieve))
  end)

  describe("with items in all lists", function()
    local l, stats, held

    local texts = {} -- a key_ref keeps no string

    local function ref(i)
      texts[i] = texts[i] or tostring(i)
      return key_ref(texts[i], ffi.cast("uint32_t", (i + 7) * 2654435761ULL))
    end

    local function count(name)
      C.lru_stats(l, stats)
      return tonumber(stats[name])
    end

    before_each(function()
      l, stats, held = C.lru_new(), ffi.new "struct lru_stats", 500
      C.lru_set_eviction(l, C.EVICT_ADAPTIVE)
      for _ = 1, 20 do
        for i = 1, 650 do
          if C.lru_get(l, ref(i)) == nil then
            if count "items" >= held then
              C.item_unref(C.lru_evict(l, 0))
            end
            C.lru_put(l, C.item_new(ref(i), "value", 5, 0))
          end
        end
      end
    end)

    after_each(function()
      C.lru_free(l)
    end)

    it("gives each item once, and none after the last", function()
      for _ = 1, held do
        local next_one = C.lru_next(l, 0)
        assert(next_one ~= nil)
        local it = C.lru_evict(l, 0)
        assert(it.refs == 1 and it.chain == nil and bit.band(it.state, C.ITEM_PLACE) == C.ITEM_OUT)
        C.item_unref(it)
      end
      assert.is_true(C.lru_evict(l, 0) == nil)
      assert.is_true(C.lru_next(l, 0) == nil)
      assert.equal(0, count "items")
    end)

    it("takes at most 8 bytes a value more than the least recently used", function()
      for _, n in ipairs { 1000, unit.rounds(20000) } do
        local lru, adaptive = C.lru_new(), C.lru_new()
        local room = items(n)
        C.lru_set_eviction(adaptive, C.EVICT_ADAPTIVE)
        for i = 1, 8 * n do
          for _, each in ipairs { lru, adaptive } do
            if C.lru_get(each, ref(i % (2 * n))) == nil then
              room(each, 0)
              C.lru_put(each, C.item_new(ref(i % (2 * n)), ("v"):rep(1000), 1000, 0))
            end
          end
        end
        local function difference() -- either may be larger
          return tonumber(C.lru_bytes(adaptive)) - tonumber(C.lru_bytes(lru))
        end
        local more = difference() / n
        C.lru_set_eviction(adaptive, C.EVICT_LRU)
        local left = difference()
        C.lru_free(lru)
        C.lru_free(adaptive)
        assert.is_true(more <= 8, more)
        assert.is_true(n < 20000 or more > 0)
        assert.is_true(math.abs(left) < n, left) -- the allocator's items differ by a few bytes
      end
    end)

    it("has its hits tried after many of them alone, as those that puts come between", function()
      local lru = C.lru_new()
      C.lru_set_eviction(lru, C.EVICT_ADAPTIVE)
      local room = items(100)
      for i = 1, 200 do
        room(lru, 0)
        C.lru_put(lru, C.item_new(ref(i), "value", 5, 0))
      end
      for i = 1, 100000 do
        assert(C.lru_get(lru, ref(150 + i % 50)) ~= nil)
      end
      for i = 1, 200 do
        C.item_unref(C.lru_del(lru, ref(i)))
      end
      C.lru_stats(lru, stats)
      assert.equal(0, tonumber(stats.items))
      C.lru_free(lru)
    end)

    it("counts none of the 16 KB that any cache may use to know its keys", function()
      local all = count "bytes"
      C.lru_set_eviction(l, C.EVICT_LRU)
      assert.equal(all, count "bytes")
    end)

    for _, to in ipairs { "EVICT_LRU", "EVICT_SIEVE" } do
      it("goes on as " .. to .. " with the items that it has", function()
        C.lru_set_eviction(l, C[to])
        for i = 1, 2000 do
          C.lru_get(l, ref(i % 650))
          C.item_unref(C.lru_evict(l, 0))
          local displaced = C.lru_put(l, C.item_new(ref(i + 1000), "value", 5, 0))
          assert(displaced == nil)
        end
        assert.equal(held, count "items")
        C.lru_set_eviction(l, C.EVICT_ADAPTIVE)
        for _ = 1, held do
          C.item_unref(C.lru_evict(l, 0))
        end
        assert.is_true(C.lru_evict(l, 0) == nil)
      end)
    end

    it("goes on without memory for what it knows of keys", function()
      C.mem_fail_after(0)
      C.lru_set_eviction(l, C.EVICT_LRU)
      C.lru_set_eviction(l, C.EVICT_ADAPTIVE)
      for _ = 1, held do
        C.item_unref(C.lru_evict(l, 0))
      end
      C.mem_fail_after(-1)
      assert.equal(0, count "items")
    end)
  end)
end)
