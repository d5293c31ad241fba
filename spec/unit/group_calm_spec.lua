-- SPDX-License-Identifier: MIT

-- A group's source that fails, or that may be asked so often only.

jit.off(true, true) -- the group calls back into Lua

local engine = require "unit.engine"
local C = engine.C

local HOUR = 3600 * 1000

describe("group", function()
  local g

  local function begin(opts)
    g = engine.group(opts)
    return g
  end

  after_each(function()
    local last = g
    g = nil
    last:ended()
  end)

  local function fail(key, code)
    local t = g:get(key)
    g:fail(g.loads[#g.loads], code or "GETTER", "no " .. key)
    return t
  end

  local function fill(key, lives_ms)
    local t = g:get(key)
    g:finish(g.loads[#g.loads], "v:" .. key, lives_ms and C.clock_ms() + lives_ms)
    return t
  end

  describe("with a breaker", function()
    it("refuses loads at once after failures in a row, and says so", function()
      begin { breaker = 3 }
      for i = 1, 3 do
        assert.equal("GETTER", fail("k" .. i).code)
      end
      local t = g:get "other"
      assert.is_true(t.now)
      assert.equal("BUSY", t.code)
      assert.matches("^group spec: the source has failed for %S+ s", t.text)
      assert.equal(3, #g.started)
      local s = g:stats()
      assert.same({ 1, 1, 1 }, { s.breaker_open, s.breaker_opens, s.breaker_refused })
    end)

    it("asks the source again after a pause, and loads as before once it answers", function()
      begin { breaker = 1 }
      fail "a"
      fail "b"
      C.clock_advance(1000)
      assert.equal("v:c", fill("c").value)
      assert.equal("v:d", fill("d").value)
      assert.equal(0, g:stats().breaker_open)
    end)

    it("gives stale values without a load while it is open", function()
      begin { breaker = 2, stale_if_error_ms = 2 * HOUR }
      fill("k", HOUR)
      C.clock_advance(HOUR + 1)
      fail "a"
      fail "b"
      local started = #g.started
      local t = g:get "k"
      assert.same({ true, "v:k", "stale" }, { t.now, t.value, t.source })
      assert.equal(started, #g.started)
    end)

    it("ends the loads that wait for their turn when it opens", function()
      begin { breaker = 2, max_loads = 2 }
      local a, b, waits = g:get "a", g:get "b", {}
      for i = 1, 10 do
        waits[i] = g:get("w" .. i)
      end
      local first, second = g.loads[1], g.loads[2]
      g:fail(first, "GETTER", "down")
      g:fail(second, "GETTER", "down")
      assert.same({ "GETTER", "GETTER" }, { a.code, b.code })
      for i = 2, 10 do
        assert.equal("BUSY", waits[i].code, i)
      end
      assert.equal(3, #g.started) -- w1 had begun
    end)

    it("takes an answer for an answer, a value or not", function()
      begin { breaker = 2 }
      fail "a"
      fail("b", "NOTFOUND")
      fail "c"
      assert.equal(0, g:stats().breaker_open)
    end)

    it("takes no failure of a peer for one of the source", function()
      begin { breaker = 1, owner = function() return true end }
      fail "a"
      fail "b"
      assert.equal(2, #g.started)
      assert.equal(0, g:stats().breaker_open)
    end)
  end)

  it("keeps a key apart that always fails", function()
    begin { breaker = 2 }
    fail "bad"
    fail "bad"
    assert.equal("BUSY", g:get("bad").code)
    assert.equal("v:good", fill("good").value)
  end)

  describe("with max_rate", function()
    it("starts so many loads a second, and the others as time passes", function()
      begin { max_rate = 10000, timeout_ms = HOUR } -- ten a second
      for i = 1, 100 do
        g:get("k" .. i)
      end
      assert.equal(1, #g.started)
      for _ = 1, 20 do
        C.clock_advance(100)
        g:tick()
      end
      local n = #g.started
      assert.is_true(n >= 20 and n <= 23, n)
    end)

    it("lets no more begin at once after a long pause", function()
      begin { max_rate = 100000, timeout_ms = HOUR }
      C.clock_advance(HOUR)
      for i = 1, 100 do
        g:get("k" .. i)
      end
      local n = #g.started
      assert.is_true(n >= 10 and n <= 13, n)
    end)

    it("refuses a load that would wait for too long", function()
      begin { max_rate = 1000, timeout_ms = 10000 }
      local t
      for i = 1, 10 do
        t = g:get("k" .. i)
      end
      assert.equal("BUSY", t.code)
      assert.matches("max_rate is 1 a second: no value within 10 s", t.text)
    end)

    it("refuses a load at once if the next may begin only after its time", function()
      begin { max_rate = 10, timeout_ms = 60000 } -- one in 100 s
      g:finish(g:get "a" and g.loads[1], "v")
      assert.equal("BUSY", g:get("b").code)
      C.clock_advance(56000)
      assert.is_nil(g:get("c").code)
    end)
  end)
end)
