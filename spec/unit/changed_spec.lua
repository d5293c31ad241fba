-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load("cache/changed.h", "base/buf.h", "base/mem.h")

describe("the log of changed keys", function()
  local r

  before_each(function()
    r = ffi.new "struct changed"
    C.changed_init(r)
  end)

  after_each(function()
    C.mem_fail_after(-1)
    C.changed_deinit(r)
    assert.equal(0, tonumber(r.bytes))
  end)

  -- The keys since then, or nil when they are not known.
  local function since(ms)
    local out, keys, at, n = ffi.new "struct buf", {}, 0, ffi.new "size_t[1]"
    C.buf_init(out, 0)
    local known = C.changed_put(r, ms, out) == 1
    while at < tonumber(out.len) do
      ffi.copy(n, out.data + at, ffi.sizeof "size_t")
      keys[#keys + 1] = ffi.string(out.data + at + ffi.sizeof "size_t", n[0])
      at = at + ffi.sizeof "size_t" + tonumber(n[0])
    end
    C.buf_deinit(out)
    return known and keys or nil
  end

  it("has the keys since a time, in order", function()
    assert.same({}, since(0))
    C.changed_note(r, "a", 1, 10)
    C.changed_note(r, "b\0", 2, 20)
    C.changed_note(r, "", 0, 20)
    assert.same({ "a", "b\0", "" }, since(0))
    assert.same({ "a", "b\0", "" }, since(10))
    assert.same({ "b\0", "" }, since(11))
    assert.same({}, since(21))
  end)

  it("knows that it has forgotten the oldest of too many", function()
    for i = 1, C.CHANGED_KEYS + 1 do
      C.changed_note(r, "k" .. i, #("k" .. i), i)
    end
    assert.equal(C.CHANGED_KEYS, tonumber(r.n))
    assert.is_nil(since(0))
    assert.is_nil(since(1))
    assert.equal(C.CHANGED_KEYS, #since(2))
  end)

  it("has a bound on their bytes", function()
    local long = ("x"):rep(1000)
    for i = 1, 100 do
      C.changed_note(r, long, #long, i)
      assert(tonumber(r.bytes) <= C.CHANGED_BYTES)
    end
    assert.is_nil(since(1))
    assert.equal(10, #since(91))
    local huge = ("x"):rep(C.CHANGED_BYTES + 1)
    C.changed_note(r, huge, #huge, 101)
    assert.is_nil(since(101))
    assert.same({}, since(102))
  end)

  it("forgets all when all keys were changed, or when there is no memory", function()
    C.changed_note(r, "a", 1, 10)
    C.changed_note_all(r, 20)
    assert.is_nil(since(20))
    assert.same({}, since(21))
    C.changed_note(r, "b", 1, 30)
    C.mem_fail_after(0)
    C.changed_note(r, "c", 1, 40)
    C.mem_fail_after(-1)
    assert.is_nil(since(40))
    assert.same({}, since(41))
  end)
end)
