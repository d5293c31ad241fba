-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local key_ref = require "unit.key_ref"
local C = require("support.unit").load("cache/flight.h", "base/mem.h")

describe("flights", function()
  local fs, waiters

  local function open(key, deadline, hash)
    local f = C.flights_open(fs, key_ref(key, hash or #key), deadline or 100)
    return f
  end

  local function find(key, hash)
    return C.flights_find(fs, key_ref(key, hash or #key))
  end

  local function end_all(f) -- ends it and returns the numbers of the waiters that came out
    local woken = ffi.new "struct list"
    woken.next, woken.prev = woken, woken
    C.flights_end(fs, f, woken)
    local list, at = {}, woken.next
    while at ~= woken do
      list[#list + 1] = tonumber(ffi.cast("struct waiter *", at) - waiters)
      at = at.next
    end
    return list
  end

  local function drop(f) -- the opener's reference, then the table's
    assert.equal(0, C.flight_unref(f))
    assert.equal(1, C.flight_unref(f))
  end

  before_each(function()
    fs, waiters = C.flights_new(), ffi.new "struct waiter[100]"
  end)

  after_each(function()
    C.mem_fail_after(-1)
    assert.equal(0, tonumber(C.flights_count(fs)))
    C.flights_free(fs)
  end)

  it("finds a flight by its key while it is open", function()
    local a, b = open "k\0a", open("k\0b", 100, 3)
    assert.is_true(find "k\0a" == a)
    assert.is_true(find "k\0b" == b) -- of the same hash
    assert.is_true(find "k\0" == nil)
    assert.is_true(find("k\0", 3) == nil) -- of the same hash, but shorter
    assert.is_true(find("k\0ab", 3) == nil)
    assert.is_true(find("k\0a", 4) == nil)
    assert.equal(2, tonumber(C.flights_count(fs)))
    end_all(a)
    assert.is_true(find "k\0a" == nil)
    assert.is_true(find "k\0b" == b)
    end_all(b)
    drop(a)
    drop(b)
  end)

  it("holds one reference and gives another to who opens it", function()
    local f = open "k"
    assert.equal(2, f.refs)
    C.flight_ref(f)
    assert.equal(3, f.refs)
    end_all(f)
    assert.equal(3, f.refs) -- the table's is the caller's now
    assert.equal(tonumber(C.FLIGHT_ENDED), tonumber(f.state))
    assert.equal(0, C.flight_unref(f))
    drop(f)
  end)

  it("hands back its waiters in the order they came, each free of it", function()
    local f = open "k"
    for i = 0, 4 do
      C.flight_join(f, waiters[i])
      assert.is_true(waiters[i].flight == f)
    end
    assert.equal(5, tonumber(f.n_waiters))
    assert.same({ 0, 1, 2, 3, 4 }, end_all(f))
    for i = 0, 4 do
      assert.is_true(waiters[i].flight == nil)
      assert.equal(0, C.flight_leave(waiters[i])) -- too late
    end
    drop(f)
  end)

  it("lets a waiter leave before the end, once", function()
    local f = open "k"
    for i = 0, 2 do
      C.flight_join(f, waiters[i])
    end
    assert.equal(1, C.flight_leave(waiters[1]))
    assert.equal(0, C.flight_leave(waiters[1]))
    assert.equal(2, tonumber(f.n_waiters))
    assert.same({ 0, 2 }, end_all(f))
    drop(f)
  end)

  it("knows the flight with the earliest deadline", function()
    assert.is_true(C.flights_oldest(fs) == nil)
    local a, b, c = open("a", 10), open("b", 10), open("c", 30)
    assert.is_true(C.flights_oldest(fs) == a)
    end_all(a)
    assert.is_true(C.flights_oldest(fs) == b)
    end_all(c)
    assert.is_true(C.flights_oldest(fs) == b)
    end_all(b)
    assert.is_true(C.flights_oldest(fs) == nil)
    drop(a)
    drop(b)
    drop(c)
  end)

  it("opens nothing when there is no memory", function()
    C.mem_fail_after(0)
    assert.is_true(open "k" == nil)
    assert.is_true(find "k" == nil)
  end)

  it("keeps thousands apart, also where their hashes meet", function()
    local flights = {}
    for i = 1, 5000 do
      flights[i] = open("key" .. i, i, i % 1500)
    end
    for i = 1, 5000, 2 do
      end_all(flights[i])
      drop(flights[i])
    end
    for i = 1, 5000 do
      local f = find("key" .. i, i % 1500)
      assert(i % 2 == 0 and f == flights[i] or f == nil)
    end
    for i = 2, 5000, 2 do
      assert(C.flights_oldest(fs) == flights[i])
      end_all(flights[i])
      drop(flights[i])
    end
  end)

  it("names the sources of answers", function()
    local names = {}
    for s = 0, C.SOURCE_COUNT - 1 do
      names[#names + 1] = ffi.string(C.source_name(s))
    end
    assert.equal("main hot peer local stale", table.concat(names, " "))
    assert.equal("unknown", ffi.string(C.source_name(C.SOURCE_COUNT)))
  end)
end)
