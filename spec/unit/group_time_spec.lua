-- SPDX-License-Identifier: MIT

-- The time of a value: ttl and jitter, negative and stale answers, and how what is over leaves.

jit.off(true, true) -- the group calls back into Lua

local ffi = require "ffi"
local engine = require "unit.engine"
local C = engine.C

-- Steps of the clock are far longer than this spec runs.
local HOUR = 3600 * 1000

describe("group", function()
  local g

  local function begin(opts)
    g = engine.group(opts)
    return g
  end

  after_each(function()
    if g then
      local last = g
      g = nil
      last:ended()
    end
  end)

  local function fill(key, lives_ms, value)
    local t = g:get(key)
    g:finish(g.loads[#g.loads], value or "v:" .. key, lives_ms and C.clock_ms() + lives_ms)
    return t
  end

  local function fail(key, code)
    local t = g:get(key)
    g:fail(g.loads[#g.loads], code, "no " .. key)
    return t
  end

  local function pass(ms)
    C.clock_advance(ms)
  end

  -- The item's time that the group gives to a value without one of its own.
  local function own_ttl()
    return tonumber(C.group_keep_expiry_ms(g.c)) - tonumber(C.clock_ms())
  end

  describe("gives a value without a time of its own", function()
    it("none that ends, with ttl 0", function()
      begin { ttl_ms = 0 }
      assert.equal(0ULL, C.group_keep_expiry_ms(g.c))
    end)

    it("the group's ttl, without jitter to the millisecond", function()
      begin { ttl_ms = HOUR, ttl_jitter = 0 }
      local least = HOUR
      for _ = 1, 100 do
        least = math.min(least, own_ttl())
      end
      assert.is_true(least <= HOUR and least > HOUR - 1000)
    end)

    it("up to ttl_jitter less, all over that range", function()
      begin { ttl_ms = 1000 * HOUR, ttl_jitter = 100 }
      local least, most, sum = math.huge, 0, 0
      for _ = 1, 2000 do
        local ttl = own_ttl() / HOUR
        least, most, sum = math.min(least, ttl), math.max(most, ttl), sum + ttl
      end
      assert.is_true(least >= 899.9 and least < 905, least)
      assert.is_true(most <= 1000 and most > 995, most)
      assert.is_true(math.abs(sum / 2000 - 950) < 5, sum / 2000)
    end)
  end)

  describe("with negative_ttl", function()
    it("keeps that there is no value, for that long", function()
      begin { negative_ttl_ms = HOUR }
      assert.equal("NOTFOUND", fail("k", "NOTFOUND").code)
      local again = g:get "k"
      assert.equal("NOTFOUND", again.code)
      assert.is_true(again.now)
      assert.equal(1, g:stats().negative_hits)
      assert.equal(1, #g.started)
      pass(HOUR)
      fill "k"
      assert.equal("v:k", g:get("k").value)
    end)

    it("keeps no other error", function()
      begin { negative_ttl_ms = HOUR }
      for i, code in ipairs { "GETTER", "PEER", "TIMEOUT", "TOOBIG", "NOMEM", "BUSY" } do
        assert.equal(code, fail("k", code).code)
        assert.equal(i, #g.started)
      end
    end)

    it("is not asked: without it nothing is kept", function()
      begin {}
      fail("k", "NOTFOUND")
      fail("k", "NOTFOUND")
      assert.equal(2, #g.started)
      assert.equal(0, g:stats().main.items)
    end)

    it("has its room in the cache, and leaves it with the least used", function()
      begin { negative_ttl_ms = HOUR, cache_bytes = 10000 }
      for i = 1, 1000 do
        fail("k" .. i, "NOTFOUND")
      end
      assert.is_true(g:stats().main.items > 20)
      assert.is_true(g:stats().main.bytes <= 10000)
    end)

    it("shows nothing to a peek", function()
      begin { negative_ttl_ms = HOUR }
      fail("k", "NOTFOUND")
      assert.is_nil(g:peek "k")
    end)

    it("ends at a set", function()
      begin { negative_ttl_ms = HOUR }
      fail("k", "NOTFOUND")
      g:set("k", "new")
      assert.equal("new", g:get("k").value)
    end)

    it("takes the owner's word for how long, and its own for nothing", function()
      begin { negative_ttl_ms = HOUR, hot = C.HOT_ALWAYS, owner = function() return true end }
      fail("a", "NOTFOUND") -- the owner names no time
      fail("a", "NOTFOUND")
      assert.equal(2, #g.started)
      g:get "b"
      local r, load = ffi.new "struct result", g.loads[1]
      r.err.code, r.expires_ms = C.ERR_NOTFOUND, C.clock_ms() + HOUR
      g:release(load)
      C.group_finish(load.flight, r)
      assert.equal("NOTFOUND", g:get("b").code)
      assert.equal(3, #g.started)
      assert.equal(1, g:stats().hot.items)
    end)
  end)

  describe("with stale_while_revalidate", function()
    it("answers with the old value at once, and loads one new behind it", function()
      begin { stale_while_revalidate_ms = HOUR }
      fill("k", HOUR, "old")
      pass(HOUR)
      for _ = 1, 5 do
        local t = g:get "k"
        assert.is_true(t.now)
        assert.equal("old", t.value)
        assert.equal("stale", t.source)
      end
      assert.equal(1, #g.loads)
      assert.equal(5, g:stats().stale_hits)
      g:finish(g.loads[1], "new", C.clock_ms() + HOUR)
      assert.equal("new", g:get("k").value)
      assert.equal("main", g:get("k").source)
      assert.equal(2, #g.started)
    end)

    it("lets no caller wait for the new value, and tells none of a failure", function()
      begin { stale_while_revalidate_ms = HOUR }
      fill("k", HOUR, "old")
      pass(HOUR)
      g:get "k"
      assert.equal(0, g:stats().waiters)
      g:fail(g.loads[1], "GETTER")
      assert.equal("old", g:get("k").value)
      assert.equal(0, #g.loads)
      pass(3000)
      assert.equal("old", g:get("k").value)
      assert.equal(1, #g.loads)
      g:finish(g.loads[1], "new")
    end)

    it("waits again once the old value is over", function()
      begin { stale_while_revalidate_ms = HOUR }
      fill("k", HOUR, "old")
      pass(2 * HOUR)
      local t = g:get "k"
      assert.equal(0, t.wakes)
      g:finish(g.loads[1], "new")
      assert.equal("new", t.value)
    end)

    it("forgets the old value when the new load finds none", function()
      begin { stale_while_revalidate_ms = HOUR }
      fill("k", HOUR, "old")
      pass(HOUR)
      g:get "k"
      g:fail(g.loads[1], "NOTFOUND")
      assert.equal(0, g:get("k").wakes)
      g:fail(g.loads[1], "NOTFOUND")
    end)

    it("does so for a mirrored value, and asks its owner behind it", function()
      begin { stale_while_revalidate_ms = HOUR, hot = C.HOT_ALWAYS,
        owner = function() return true end }
      fill("k", HOUR, "old")
      pass(HOUR)
      assert.equal("stale", g:get("k").source)
      assert.equal("remote", g.loads[1].kind)
      g:finish(g.loads[1], "new")
      assert.equal("new", g:get("k").value)
    end)

    it("gives the old value to a peer too, but starts our getter for it", function()
      begin { stale_while_revalidate_ms = HOUR }
      fill("k", HOUR, "old")
      pass(HOUR)
      assert.equal("old", g:get("k", true).value)
      assert.equal("local", g.loads[1].kind)
      g:finish(g.loads[1], "new")
    end)

    it("has the old value when the group is closed, without a load", function()
      begin { stale_while_revalidate_ms = HOUR }
      fill("k", HOUR, "old")
      pass(HOUR)
      g:close()
      assert.equal("old", g:get("k").value)
      assert.equal(1, #g.started)
    end)
  end)

  describe("with stale_if_error", function()
    local REPLACED = { "GETTER", "PEER", "TIMEOUT", "TOOBIG", "BUSY", "NOMEM" }

    it("waits for the load, and answers with the old value when it fails", function()
      begin { stale_if_error_ms = HOUR }
      for i, code in ipairs(REPLACED) do
        local key = "k" .. i
        fill(key, HOUR, "old")
        pass(HOUR)
        local t = g:get(key)
        assert.equal(0, t.wakes)
        g:fail(g.loads[1], code)
        assert.equal("old", t.value)
        assert.equal("stale", t.source)
      end
      assert.equal(#REPLACED, g:stats().stale_hits)
    end)

    it("does not hide that there is no value, a cycle or an end", function()
      begin { stale_if_error_ms = HOUR }
      for _, code in ipairs { "NOTFOUND", "CYCLE", "CLOSED" } do
        fill("k" .. code, HOUR)
        pass(HOUR)
        local t = g:get("k" .. code)
        g:fail(g.loads[1], code)
        assert.equal(code, t.code)
      end
    end)

    it("answers everyone who waits", function()
      begin { stale_if_error_ms = HOUR }
      fill("k", HOUR, "old")
      pass(HOUR)
      local tickets = {}
      for i = 1, 20 do
        tickets[i] = g:get "k"
      end
      g:fail(g.loads[1], "GETTER")
      for _, t in ipairs(tickets) do
        assert.equal("old", t.value)
      end
      assert.equal(20, g:stats().stale_hits)
    end)

    it("does so when the load's time is over", function()
      begin { stale_if_error_ms = HOUR, timeout_ms = HOUR / 10 }
      fill("k", HOUR, "old")
      pass(HOUR)
      local t = g:get "k"
      pass(HOUR / 10)
      g:tick()
      assert.equal("old", t.value)
      assert.equal("stale", t.source)
      g:fail(g.loads[1], "GETTER")
    end)

    it("does so when the owner is away and our getter fails too", function()
      begin { stale_if_error_ms = HOUR, hot = C.HOT_ALWAYS, owner = function() return true end }
      fill("k", HOUR, "old")
      pass(HOUR)
      local t = g:get "k"
      g:fallback(g.loads[1])
      g:fail(g.loads[1], "GETTER")
      assert.equal("old", t.value)
      assert.equal("stale", t.source)
      assert.equal(1, g:stats().stale_hits)
    end)

    -- Gets until one begins a load; returns how long that took, in ms.
    local function until_load(key, step)
      for ms = 0, 60000, step do
        local t = g:get(key)
        if #g.loads > 0 then
          return ms, t
        end
        assert.equal("stale", t.source)
        pass(step)
      end
    end

    it("spares a source that is down: for longer after each failure, up to 30 s", function()
      begin { stale_if_error_ms = HOUR }
      fill("k", HOUR, "old")
      pass(HOUR)
      local t = fail("k", "GETTER")
      assert.equal("stale", t.source)
      for _, least in ipairs { 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000 } do
        local took
        took, t = until_load("k", 125)
        assert.is_true(took >= least - 125 and took <= math.min(least * 1.25, 30000) + 1000, took)
        assert.equal(0, t.wakes)
        g:fail(g.loads[1], "TIMEOUT")
        assert.equal("old", t.value)
      end
    end)

    it("has one wait for a load behind a pause, and the others not", function()
      begin { stale_if_error_ms = HOUR }
      fill("k", HOUR, "old")
      pass(HOUR)
      fail("k", "GETTER")
      pass(3000)
      local t = g:get "k"
      assert.equal(0, t.wakes)
      for _ = 1, 10 do
        assert.equal("old", g:get("k").value)
      end
      assert.equal(1, #g.loads)
      g:finish(g.loads[1], "new")
      assert.equal("new", t.value)
      assert.equal("main", g:get("k").source)
      assert.same({ 11, 10 }, { g:stats().stale_hits, g:stats().stale_spared })
    end)

    it("spares nothing once a value has come, or for another key, or none stale", function()
      begin { stale_if_error_ms = HOUR }
      fill("k", HOUR, "old")
      fill("other", HOUR, "old")
      pass(HOUR)
      fail("k", "GETTER")
      assert.equal(0, g:get("other").wakes)
      g:finish(g.loads[1], "new")
      pass(3000)
      g:get "k"
      g:finish(g.loads[1], "new", C.clock_ms() + HOUR)
      pass(HOUR)
      assert.equal(0, g:get("k").wakes)
      g:fail(g.loads[1], "GETTER")
      local took = until_load("k", 125)
      assert.is_true(took <= 2250, took)
      g:finish(g.loads[1], "new")
      assert.equal(0, g:stats().flights)
    end)

    it("spares nothing after NOTFOUND, CYCLE or CLOSED", function()
      begin { stale_if_error_ms = HOUR }
      for _, code in ipairs { "NOTFOUND", "CYCLE", "CLOSED" } do
        fill(code, HOUR)
        pass(HOUR)
        fail(code, code)
        assert.equal(0, g:get(code).wakes)
        g:fail(g.loads[1], "GETTER")
      end
      assert.equal(0, g:stats().stale_spared)
    end)

    it("keeps nothing beyond its time", function()
      begin { stale_if_error_ms = HOUR }
      fill("k", HOUR, "old")
      pass(2 * HOUR)
      assert.equal("GETTER", fail("k", "GETTER").code)
    end)

    it("brings nothing back that was removed while it loaded", function()
      begin { stale_if_error_ms = HOUR }
      fill("k", HOUR, "old")
      pass(HOUR)
      local t = g:get "k"
      g:remove "k"
      g:fail(g.loads[1], "GETTER")
      assert.equal("GETTER", t.code)
    end)
  end)

  describe("lets go of what is over", function()
    it("without anyone asking for it", function()
      begin { cache_bytes = 1e8 }
      for i = 1, 3000 do
        fill("k" .. i, i <= 2000 and HOUR or nil)
      end
      g:tick()
      assert.equal(3000, g:stats().main.items)
      pass(HOUR)
      g:tick() -- an hour is longer than a round of the sweep
      assert.equal(1000, g:stats().main.items)
      assert.equal(2000, g:stats().expired)
    end)

    it("bit by bit, and all of it in ten seconds", function()
      begin { cache_bytes = 1e8 }
      for i = 1, 2000 do
        fill("k" .. i, HOUR)
      end
      pass(HOUR - 20000)
      g:tick()
      pass(20000 - 1000)
      g:tick()
      pass(1000) -- a tenth of a round
      g:tick()
      local left = g:stats().main.items
      assert.is_true(left > 1000 and left < 2000, left)
      for _ = 1, 9 do
        pass(1000)
        g:tick()
      end
      assert.equal(0, g:stats().main.items)
    end)

    it("but not while it may stand in for a value", function()
      begin { stale_if_error_ms = HOUR }
      fill("k", HOUR)
      pass(HOUR)
      g:tick()
      assert.equal(1, g:stats().main.items)
      pass(HOUR)
      g:tick()
      assert.equal(0, g:stats().main.items)
    end)

    it("of mirrored values and of negative ones alike", function()
      begin { hot = C.HOT_ALWAYS, negative_ttl_ms = HOUR,
        owner = function(key) return key == "theirs" end }
      fill("theirs", HOUR)
      fail("ours", "NOTFOUND")
      pass(HOUR)
      g:tick()
      assert.equal(0, g:stats().main.items + g:stats().hot.items)
    end)
  end)

  describe("flushed", function()
    it("holds nothing at once, and frees it bit by bit", function()
      begin { cache_bytes = 1e9 }
      for i = 1, 3000 do
        fill("k" .. i)
      end
      g:flush()
      local s = g:stats()
      assert.equal(0, s.main.items)
      assert.is_true(s.flushed_bytes > 3000 * 60)
      assert.is_nil(g:peek "k1")
      g:tick()
      assert.equal(0, g:stats().flushed_bytes)
    end)

    it("stays within cache_bytes, what is not freed yet included", function()
      begin { cache_bytes = 200000 }
      for round = 1, 5 do
        for i = 1, 1500 do
          fill(round .. "-" .. i)
          local s = g:stats()
          assert(s.main.bytes + s.hot.bytes + s.flushed_bytes <= 200000)
        end
        g:flush()
      end
      for i = 1, 1500 do
        fill("last" .. i)
      end
      assert.is_true(g:stats().main.items > 1000)
    end)

    it("twice, and freed with the group", function()
      begin {}
      fill "a"
      g:flush()
      fill "b"
      g:flush()
      assert.equal(2, g:stats().flushes)
      assert.is_true(g:stats().flushed_bytes > 0)
    end)
  end)

  describe("peeked at", function()
    it("shows what it holds, from where, and for how long", function()
      begin { hot = C.HOT_ALWAYS, stale_if_error_ms = HOUR,
        owner = function(key) return key == "theirs" end }
      assert.is_nil(g:peek "ours")
      fill("ours", HOUR)
      fill "theirs"
      local value, source, left = g:peek "ours"
      assert.equal("v:ours", value)
      assert.equal("main", source)
      assert.is_true(left <= HOUR and left > HOUR - 1000)
      assert.equal("hot", select(2, g:peek "theirs"))
      assert.is_nil(select(3, g:peek "theirs"))
      pass(HOUR)
      assert.equal("stale", select(2, g:peek "ours"))
      pass(HOUR)
      assert.is_nil(g:peek "ours")
    end)

    it("counts nothing, moves nothing and loads nothing", function()
      begin { cache_bytes = 2000 }
      fill "a"
      local before = g:stats()
      g:peek "a"
      g:peek "b"
      assert.same(before, g:stats())
      local i = 0
      repeat -- the oldest goes first, however often it was looked at
        i = i + 1
        fill("k" .. i)
        local value = g:peek "a"
      until not value
      assert.equal("v:k1", g:peek "k1")
    end)
  end)

  describe("set", function()
    it("holds the value for its own time, or the group's", function()
      begin { ttl_ms = HOUR, ttl_jitter = 0 }
      g:set("a", "1")
      g:set("b", "2", 5 * HOUR)
      assert.is_true(math.abs(select(3, g:peek "a") - HOUR) < 1000)
      assert.is_true(math.abs(select(3, g:peek "b") - 5 * HOUR) < 1000)
      assert.equal(2, g:stats().sets)
    end)

    it("refuses what is over a bound, and removes the key all the same", function()
      begin { max_value_bytes = 100, cache_bytes = 4000 }
      g:set("k", "old")
      local ok, text, code = g:set("k", ("x"):rep(101))
      assert.is_nil(ok)
      assert.equal("TOOBIG", code)
      assert.matches("101 bytes, max_value_bytes is 100", text)
      assert.is_nil(g:peek "k")
    end)

    it("refuses what is over an eighth of the cache", function()
      begin { cache_bytes = 4000 }
      local _, text, code = g:set("k", ("x"):rep(500))
      assert.equal("TOOBIG", code)
      assert.matches("over an eighth of cache_bytes", text)
      assert.equal(0, g:stats().main.items)
    end)

    it("with no time at all is a removal", function()
      begin {}
      g:set("k", "old")
      assert.is_true(g:set("k", "new", 0))
      assert.is_nil(g:peek "k")
    end)

    it("takes the place of a mirrored value", function()
      local theirs = true
      begin { hot = C.HOT_ALWAYS, owner = function() return theirs end }
      fill "k"
      theirs = false
      g:set("k", "new")
      assert.equal("new", g:get("k").value)
      assert.equal(0, g:stats().hot.items)
    end)
  end)
end)
