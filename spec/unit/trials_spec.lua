-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local unit = require "support.unit"
local C = unit.load("cache/trials.h", "cache/uses.h", "base/mem.h")

local COST = 200

describe("trials", function()
  local t, counts

  local function begin(items, first)
    counts = {}
    t = C.trials_new(items, items * COST, first or C.MANNER_RECENT)
  end

  after_each(function()
    C.mem_fail_after(-1)
    C.trials_free(t)
    t = nil
  end)

  local function hash(i) -- in the sample of any trials
    return ffi.cast("uint32_t", i * 65536)
  end

  local function use(i, items, cost)
    counts[i] = math.min(15, (counts[i] or 0) + 1)
    C.trials_note(t, hash(i), counts[i] * 16, cost or COST)
    C.trials_catch_up(t, 0, items * COST)
  end

  -- In a loop over more keys than the cache has room for, only the strict manner has hits.
  local function finds_a_loop(items)
    local n = items / (C.trials_mask(t) + 1)
    for _ = 1, 40 do
      for i = 1, n * 1.3 do
        use(i, items)
      end
    end
    return C.trials_best(t) == C.MANNER_STRICT
  end

  it("begin with the manner that they are given", function()
    for _, m in ipairs { C.MANNER_STRICT, C.MANNER_LENIENT, C.MANNER_RECENT } do
      begin(1000, m)
      assert.equal(m, C.trials_best(t))
      C.trials_free(t)
    end
    t = nil
  end)

  it("take 16 KB, and beside them a 96th of the cache at most, and 900 KB in all", function()
    for _, items in ipairs { 1, 10, 110, 500, 1000, 10000, 1000000, 10000000 } do
      begin(items)
      local bytes, most = tonumber(C.trials_bytes(t)), C.TRIALS_FIXED + items * COST / 96
      assert(bytes <= math.min(most, 900 * 1024), ("%d: %d bytes"):format(items, bytes))
      C.trials_free(t)
    end
    t = nil
  end)

  it("have all keys in the sample of a small cache", function()
    for _, items in ipairs { 1, 5, 70 } do
      begin(items)
      assert.equal(0, C.trials_mask(t))
      C.trials_free(t)
    end
    t = nil
  end)

  it("note uses until they are full, and again when they have caught up", function()
    begin(4096)
    local n = 1
    while C.trials_note(t, hash(n), 16, COST) == 1 do
      n = n + 1
    end
    for _ = 1, 3 do
      assert.equal(0, C.trials_note(t, hash(1), 16, COST))
    end
    C.trials_catch_up(t, 0, 4096 * COST)
    for i = 1, n - 1 do
      assert.equal(1, C.trials_note(t, hash(i), 16, COST))
    end
    assert.equal(0, C.trials_note(t, hash(n), 16, COST))
  end)

  it("have hundreds or thousands of keys in the sample, whatever the cache has", function()
    for _, items in ipairs { 4096, 100000, 1000000, 10000000 } do
      begin(items)
      local sample = items / (tonumber(C.trials_mask(t)) + 1)
      assert(sample >= 80 and sample <= 16384, ("%d of %d"):format(sample, items))
      C.trials_free(t)
    end
    t = nil
  end)

  it("find that a loop, larger than the cache, wants the strict manner", function()
    begin(4096)
    assert.is_true(finds_a_loop(4096))
  end)

  it("forget soon that a loop wanted the strict manner, however long it was", function()
    begin(4096)
    for _ = 1, 10 do
      assert.is_true(finds_a_loop(4096))
    end
    local n, uses = 4096 / (C.trials_mask(t) + 1), 0
    while C.trials_best(t) == C.MANNER_STRICT do
      uses = uses + 1
      use(1e5 + uses, 4096)
      use(1e5 + uses - math.floor(n / 4), 4096)
      assert(uses < 3 * n, ("%d uses of %d items"):format(uses, n))
    end
  end)

  it("stay with recent when each key is asked for a few times and never again", function()
    begin(4096)
    local n = 4096 / (C.trials_mask(t) + 1)
    for i = 1, 40 * n do
      use(i, 4096)
      use(i - math.floor(n / 4), 4096)
    end
    assert.equal(C.MANNER_RECENT, C.trials_best(t))
  end)

  it("return to recent when the loop has ended", function()
    begin(4096, C.MANNER_STRICT)
    local n = 4096 / (C.trials_mask(t) + 1)
    for i = 1, 100 * n do
      use(i, 4096)
      use(i - math.floor(n / 4), 4096)
    end
    assert.is_true(C.trials_best(t) ~= C.MANNER_STRICT)
  end)

  it("go on when there are more items than was said", function()
    begin(4096)
    local bytes = C.trials_bytes(t)
    for i = 1, unit.rounds(100000) do
      use(i, 4096, 1)
    end
    assert.equal(bytes, C.trials_bytes(t))
    assert.is_true(finds_a_loop(4096))
  end)

  it("pass over a value that is too large for them", function()
    begin(4096)
    use(1, 4096, 4096 * COST)
    C.trials_forget(t, hash(1))
    assert.is_true(finds_a_loop(4096))
  end)

  it("stay in order, whatever is used, forgotten or made larger", function()
    math.randomseed(7)
    begin(4096)
    for _ = 1, unit.rounds(200000) do
      local i, what = math.random(600), math.random(10)
      if what == 1 then
        C.trials_forget(t, hash(i))
      else
        use(i, 4096, math.random(1, 4) * COST / 2)
      end
    end
    for i = 1, 600 do
      C.trials_forget(t, hash(i))
    end
    assert.is_true(finds_a_loop(4096))
  end)

  it("are none without memory", function()
    C.mem_fail_after(0)
    assert.is_true(C.trials_new(1000, 1000 * COST, C.MANNER_RECENT) == nil)
  end)
end)
