-- SPDX-License-Identifier: MIT

-- Which items are kept, by the order's manners. Hits are counted on small seeded traces, each with
-- a trap: for the least recently used, for SIEVE or for counts. lru_spec has the order of LRU and
-- SIEVE item by item. `make bench ONLY=trace TRACES=DIR` plays real traces.

local ffi = require "ffi"
local key_ref = require "unit.key_ref"
local C = require("support.unit").load("cache/lru.h", "base/hash.h", "base/mem.h")

-- Park and Miller's minimal standard generator: the same traces everywhere.
local function generator(seed)
  local state = seed
  return function(n)
    state = state * 48271 % 2147483647
    return state % n + 1
  end
end

-- Each calls get(key) so often as it likes. The caches have 1000 items.
local TRACES = {
  ["a loop over 1200 keys"] = function(get)
    for _ = 1, 40 do
      for i = 1, 1200 do
        get(i)
      end
    end
  end,
  ["800 keys at random, and a scan in every second get"] = function(get)
    local random = generator(3)
    for i = 1, 30000 do
      get(random(800))
      get(1000000 + i)
    end
  end,
  ["keys that are asked for three times and never again"] = function(get)
    for i = 1, 30000 do
      get(i)
      get(i - 200)
      get(i - 400)
    end
  end,
  ["another 900 keys every 20000 gets"] = function(get)
    local random = generator(5)
    for phase = 1, 3 do
      for _ = 1, 20000 do
        get(phase * 10000 + random(900))
      end
    end
  end,
  ["few keys often, many seldom"] = function(get)
    local random = generator(11)
    for _ = 1, 60000 do
      get(math.floor(10000 / random(10000)) + random(3) * 100000)
    end
  end,
}

-- The part of gets that are hits, in percent, of a cache of so many items.
local function play(trace, eviction, capacity)
  local l, stats = C.lru_new(), ffi.new "struct lru_stats"
  C.lru_set_eviction(l, C[eviction])
  local hits, gets, seed = 0, 0, 2654435761ULL
  trace(function(i)
    local k = key_ref(tostring(i), ffi.cast("uint32_t", (i + 7) * seed))
    gets = gets + 1
    if C.lru_get(l, k) ~= nil then
      hits = hits + 1
      return
    end
    C.lru_stats(l, stats)
    local it = C.item_new(k, ("v"):rep(200), 200, 0)
    if stats.items >= capacity then
      C.item_unref(C.lru_evict(l, C.item_cost(it)))
    end
    assert(C.lru_put(l, it) == nil)
  end)
  C.lru_stats(l, stats)
  assert(tonumber(stats.items) <= capacity and tonumber(stats.hits) == hits)
  C.lru_free(l)
  return hits / gets * 100
end

describe("an order", function()
  for name, trace in pairs(TRACES) do
    it("that adapts is nowhere far below the least recently used: " .. name, function()
      local lru, adaptive = play(trace, "EVICT_LRU", 1000), play(trace, "EVICT_ADAPTIVE", 1000)
      assert.is_true(adaptive >= lru - 0.5, ("%.2f against %.2f"):format(adaptive, lru))
    end)
  end

  it("that adapts keeps most of a loop that the least recently used loses whole", function()
    local loop = TRACES["a loop over 1200 keys"]
    assert.equal(0, play(loop, "EVICT_LRU", 1000))
    assert.is_true(play(loop, "EVICT_ADAPTIVE", 1000) > 60)
  end)

  it("that adapts keeps the keys that are asked for beside a scan", function()
    local scan = TRACES["800 keys at random, and a scan in every second get"]
    local lru, adaptive = play(scan, "EVICT_LRU", 1000), play(scan, "EVICT_ADAPTIVE", 1000)
    assert.is_true(adaptive > lru + 10, ("%.2f against %.2f"):format(adaptive, lru))
  end)

  it("that adapts has more hits than SIEVE where recency counts", function()
    local thrice = TRACES["keys that are asked for three times and never again"]
    local sieve, adaptive = play(thrice, "EVICT_SIEVE", 1000), play(thrice, "EVICT_ADAPTIVE", 1000)
    assert.is_true(adaptive > sieve + 10, ("%.2f against %.2f"):format(adaptive, sieve))
  end)

  describe("with items in all lists", function()
    local l, stats, held

    local function ref(i)
      return key_ref(tostring(i), ffi.cast("uint32_t", (i + 7) * 2654435761ULL))
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
        assert(it.refs == 1 and it.chain == nil and it.place == C.ITEM_OUT)
        C.item_unref(it)
      end
      assert.is_true(C.lru_evict(l, 0) == nil)
      assert.is_true(C.lru_next(l, 0) == nil)
      assert.equal(0, count "items")
    end)

    it("counts what it knows of keys in its bytes, and gives it back", function()
      local all = count "bytes"
      C.lru_set_eviction(l, C.EVICT_LRU)
      assert.is_true(count "bytes" < all - 4 * held / 2)
      assert.equal(held, count "items")
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
