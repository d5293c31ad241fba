-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load("http/body.h", "base/clock.h", "base/mem.h",
  "base/err.h")

local BUSY, NOMEM, TOOBIG = tonumber(C.ERR_BUSY), tonumber(C.ERR_NOMEM), tonumber(C.ERR_TOOBIG)

describe("a body", function()
  local budget

  before_each(function()
    budget = ffi.new "struct budget"
    budget.max = 100000
  end)

  after_each(function()
    C.mem_fail_after(-1)
    assert.equal(0, tonumber(budget.used))
  end)

  local function with(max, announced, fn)
    local b = ffi.new "struct body"
    C.body_init(b, max, announced, budget)
    fn(b, function(bytes)
      return C.body_take(b, bytes, #bytes) == 1
    end)
    C.body_deinit(b)
    C.body_deinit(b) -- twice does no harm
  end

  it("is what has come, piece by piece, up to its limit", function()
    with(50000, 50001, function(b, take)
      local parts = {}
      for i = 1, 500 do
        parts[i] = ("%99d\0"):format(i)
        assert.is_true(take(parts[i]))
        assert.is_true(tonumber(budget.used) <= 50000)
      end
      assert.equal(table.concat(parts), ffi.string(b.bytes, b.len))
      assert.equal(0, tonumber(b.failed))
      assert.is_true(take "x")
      assert.equal(TOOBIG, tonumber(b.failed))
      assert.equal(0, tonumber(budget.used)) -- nobody needs it any more
    end)
  end)

  it("that is too long is read for a while, so that its sender is told", function()
    local mega = ("x"):rep(1024 * 1024)
    with(10, 0, function(b, take)
      assert.is_true(take "0123456789")
      assert.is_true(take(mega:sub(2)))
      assert.equal(TOOBIG, tonumber(b.failed))
      assert.is_true(take "x")
      assert.is_false(take "x")
    end)
  end)

  it("that does not fit beside the others is BUSY", function()
    with(90000, 70000, function(_, take)
      assert.is_true(take(("x"):rep(70000)))
      with(90000, 90000, function(b, take_other)
        assert.is_true(take_other(("y"):rep(20000)))
        assert.is_true(take_other(("y"):rep(20000)))
        assert.equal(BUSY, tonumber(b.failed))
        assert.is_true(take_other "rest")
      end)
    end)
  end)

  it("without memory is NOMEM", function()
    with(1000, 1000, function(b, take)
      C.mem_fail_after(0)
      assert.is_true(take "x")
      assert.equal(NOMEM, tonumber(b.failed))
    end)
  end)

  it("has its time", function()
    with(1000, 1000, function(_, take)
      assert.is_true(take "x")
      C.clock_advance(tonumber(C.BODY_SECONDS) * 1000 - 1000)
      assert.is_true(take "x")
      C.clock_advance(1001)
      assert.is_false(take "x")
    end)
  end)

  it("takes nothing from a budget that is spent", function()
    assert.equal(1, C.budget_take(budget, 100000))
    assert.equal(0, C.budget_take(budget, 1))
    C.budget_give(budget, 100000)
    assert.equal(0, C.budget_take(budget, 100001))
    assert.equal(0, C.budget_take(budget, ffi.cast("size_t", -1)))
    assert.equal(1, C.budget_take(budget, 1))
    C.budget_give(budget, 1)
  end)
end)
