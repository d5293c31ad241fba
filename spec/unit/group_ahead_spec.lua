-- SPDX-License-Identifier: MIT

-- Values that are loaded again before they expire.

jit.off(true, true) -- the group calls back into Lua

local engine = require "unit.engine"
local C = engine.C

describe("group with refresh_ahead", function()
  local g

  before_each(function() C.clock_hold(true) end)

  local function begin(opts)
    opts.refresh_ahead = opts.refresh_ahead or 1000
    g = engine.group(opts)
  end

  after_each(function()
    C.clock_hold(false)
    local last = g
    g = nil
    last:ended()
  end)

  -- A value that was loaded in took_ms, and lives for lives_ms.
  local function fill(key, took_ms, lives_ms)
    g:get(key)
    local load = g.loads[#g.loads]
    C.flight_begins(load.flight)
    C.clock_advance(took_ms)
    g:release(load)
    local ttl = require("ffi").new("double[1]", lives_ms)
    C.group_finish_value(load.flight, "v", 1, ttl, nil)
  end

  -- So many ms before its end the first of a row of hits, 1 ms apart, began a load; nil: none did.
  local function lead(key, took_ms, lives_ms)
    fill(key, took_ms, lives_ms)
    local started = #g.started
    for _ = 1, lives_ms - 1 do
      C.clock_advance(1)
      assert.is_true(g:get(key).hit)
      if #g.started > started then
        return select(3, g:peek(key))
      end
    end
  end

  it("loads a key with many hits once, some times the load's time before its end", function()
    begin {}
    local sum, n = 0, 40
    for i = 1, n do
      local ms = lead("k" .. i, 20, 1000)
      assert.is_truthy(ms)
      sum = sum + ms
      g:finish(g.loads[1], "new", C.clock_ms() + 3600000)
    end
    -- A hit each ms, D = 20: the mean of the first is near D * ln(D) + 0.58 D, 72 ms.
    assert.is_true(sum / n > 40 and sum / n < 120, sum / n)
    assert.equal(n, g:stats().refreshes)
  end)

  it("gives the old value meanwhile, and the new value after", function()
    begin {}
    lead("k", 50, 1000)
    for _ = 1, 100 do
      assert.equal("v", g:get("k").value)
    end
    assert.equal(1, #g.loads)
    g:finish(g.loads[1], "new", C.clock_ms() + 3600000)
    assert.equal("new", g:get("k").value)
    assert.equal(1, g:stats().refreshes)
  end)

  it("does not load a key that is asked for long before its end", function()
    begin {}
    fill("k", 10, 100000)
    local started = #g.started
    for _ = 1, 1000 do
      g:get "k"
    end
    assert.equal(started, #g.started)
  end)

  it("begins no further load after one that failed", function()
    begin {}
    lead("k", 50, 10000)
    g:fail(g.loads[1], "GETTER", "down")
    local started = #g.started
    for _ = 1, 40 do
      C.clock_advance(1)
      assert.is_true(g:get("k").hit)
    end
    assert.equal(started, #g.started)
  end)

  it("loads earlier with a larger number", function()
    begin { refresh_ahead = 10000 }
    local ms = lead("k", 20, 10000)
    assert.is_true(ms > 250, ms)
  end)

  it("leaves keys of other owners alone", function()
    local ours = true
    begin { owner = function() return not ours end }
    fill("k", 5000, 10000)
    ours = false
    C.clock_advance(8000)
    for _ = 1, 100 do
      g:get "k"
    end
    assert.equal(1, #g.started)
  end)

  it("is asked by readers, too", function()
    begin {}
    fill("k", 100, 3000)
    local r, started, key = g:reader(), #g.started, "k"
    repeat
      C.clock_advance(1)
      assert.is_truthy(g:recall(r, key))
    until #g.started > started
    assert.equal(1, g:stats().refreshes)
    C.reader_free(r)
  end)
end)
