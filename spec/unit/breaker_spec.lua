-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load "cache/breaker.h"

local MS = 1000000ULL

describe("breaker", function()
  local b, bounds, now

  before_each(function()
    b, bounds = ffi.new "struct breaker", ffi.new "struct breaker_bounds"
    bounds.in_row, now = 3, 1000 * MS
  end)

  local function note(key, good, began)
    return C.breaker_note(b, bounds, key, good and 1 or 0, began or now, now) == 1
  end

  local function fail(...)
    for _, key in ipairs { ... } do
      note(key, false)
    end
  end

  local function admits(key)
    return C.breaker_admits(b, key or 7, now) == 1
  end

  local function pass(ms)
    now = now + ms * MS
  end

  local function open()
    fail(1, 2, 3)
    assert.is_false(admits())
  end

  it("opens after so many failures in a row", function()
    fail(1, 2)
    assert.is_true(admits())
    assert.is_true(note(3, false))
    assert.is_false(admits())
  end)

  it("begins to count anew after an answer", function()
    fail(1, 2)
    note(3, true)
    fail(1, 2)
    assert.is_true(admits())
  end)

  it("lets one load in after each pause, at most 0.8 s long", function()
    open()
    for _, pause in ipairs { 100, 200, 400, 800, 800, 800 } do
      pass(pause - 1)
      assert.is_false(admits(), pause)
      pass(1)
      assert.is_true(admits(), pause)
      assert.is_false(admits(), pause)
    end
  end)

  it("closes when a probe succeeds, and begins with a short pause the next time", function()
    open()
    pass(5000)
    assert.is_true(admits())
    assert.is_true(note(9, true))
    assert.is_true(admits())
    assert.is_true(admits())
    open()
    pass(100)
    assert.is_true(admits())
  end)

  it("stays open when a load succeeds that began before it opened", function()
    local began = now
    pass(10)
    open()
    pass(50)
    assert.is_false(note(9, true, began))
    assert.is_false(admits())
  end)

  it("refuses one key only, if only that key has failed", function()
    fail(5, 5, 5)
    assert.is_false(admits(5))
    assert.is_true(admits(6))
    note(6, true)
    assert.is_false(admits(5))
    pass(100)
    assert.is_true(admits(5))
    assert.is_true(note(5, true))
    assert.is_true(admits(5))
  end)

  it("refuses all keys, once others fail in a row as well", function()
    fail(5, 5, 5, 6, 6)
    note(7, true)
    fail(6, 6)
    assert.is_true(admits(7))
    fail(6)
    assert.is_false(admits(7))
  end)

  it("refuses all keys, once too large a share of the others fails, though one was refused before",
    function()
      bounds.share = 500
      fail(5, 5, 5)
      for i = 1, 17 do -- with the first three, 20 of 37
        note(100 + i, true)
        note(200 + i, false)
      end
      assert.is_false(admits(7))
    end)

  it("is not closed by a load that began before it opened for all keys", function()
    fail(5, 5, 5)
    pass(5000)
    local began = now
    pass(10)
    fail(6, 7)
    assert.is_true(note(8, false))
    pass(5)
    assert.is_false(note(9, true, began))
    assert.is_false(admits(9))
  end)

  it("closes once nobody asks for its one key any more, and others load", function()
    fail(5, 5, 5)
    pass(10000)
    assert.is_false(note(6, true))
    pass(200)
    assert.is_true(note(6, true))
    assert.equal(0, tonumber(b.opened_ns))
  end)

  it("opens when too large a share of many loads fails", function()
    bounds.in_row, bounds.share = 0, 500
    for i = 1, 19 do
      note(i, true)
      fail(i)
    end
    fail(20)
    assert.is_false(admits())
  end)

  it("stays closed while a smaller share fails", function()
    bounds.in_row, bounds.share = 0, 500
    for i = 1, 1000 do
      note(i, true)
      note(i, i % 2 == 0)
    end
    assert.is_true(admits())
  end)

  it("forgets failures that are 20 s old", function()
    bounds.in_row, bounds.share = 0, 500
    for i = 1, 19 do
      fail(i)
    end
    pass(20001)
    fail(20)
    assert.is_true(admits())
  end)

  it("does nothing without bounds", function()
    bounds.in_row = 0
    for i = 1, 100 do
      fail(i)
    end
    assert.is_true(admits())
  end)
end)
