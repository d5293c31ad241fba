-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local key_ref = require "unit.key_ref"
local C = require("support.unit").load("cache/shared.h", "base/clock.h", "cache/groups.h",
  "cache/item.h")

describe("shared", function()
  local s

  before_each(function()
    C.clock_hold(true)
    s = C.shared_new("spec", 65536)
  end)

  after_each(function()
    C.clock_hold(false)
    C.shared_free(s)
  end)

  local function set(key, text, ttl)
    local e = ffi.new "struct error"
    return ffi.string(C.err_name(C.shared_set(s, key_ref(key), C.SHARED_TEXT, text, #text, ttl or 0,
      e))), ffi.string(e.msg)
  end

  local function get(key)
    local it = C.shared_get(s, key_ref(key))
    if it == nil then
      return nil
    end
    local value = ffi.string(C.item_value(it) + 1, it.value_len - 1)
    C.item_unref(it)
    return value
  end

  local function incr(key, by, ttl, first)
    local out, e = ffi.new "double[1]", ffi.new "struct error"
    local code = C.shared_incr(s, key_ref(key), by, first or 0, ttl or 0, out, e)
    return code == 0 and out[0] or ffi.string(C.err_name(code))
  end

  it("holds texts, until they are replaced, removed or at their end", function()
    set("k", "a\0b")
    assert.equal("a\0b", get "k")
    set("k", "")
    assert.equal("", get "k")
    assert.equal(1, C.shared_remove(s, key_ref "k"))
    assert.equal(0, C.shared_remove(s, key_ref "k"))
    set("k", "v", 1000)
    C.clock_advance(999)
    assert.equal("v", get "k")
    C.clock_advance(2)
    assert.is_nil(get "k")
  end)

  it("refuses a key that no item can hold, and says so", function()
    local key = ("k"):rep(2 ^ 24)
    local code, message = set(key, "v")
    assert.same({ "INVAL",
      "shared spec: the key has 16777216 bytes, and at most 16777215 can be kept" },
      { code, message })
    assert.is_nil(get(key))
    assert.equal("INVAL", incr(key, 1))
    set("k", "v")
    assert.equal("v", get "k")
  end)

  it("adds to numbers, which keep the end that they began with", function()
    assert.equal(1, incr("n", 1, 60000))
    C.clock_advance(40000)
    assert.equal(3.5, incr("n", 2.5, 60000))
    C.clock_advance(30000)
    assert.equal(7, incr("n", 2, 60000, 5))
    set("t", "text")
    assert.equal("INVAL", incr("t", 1))
    assert.equal("text", get "t")
  end)

  it("stays within its bound, and lets the oldest go first", function()
    local stats = ffi.new "struct lru_stats"
    for i = 1, 5000 do
      set("k" .. i, ("x"):rep(100))
      if i % 10 == 0 then
        assert.equal("v", i == 10 and set("kept", "v") and "v" or get "kept")
      end
    end
    C.shared_stats(s, stats)
    assert.is_true(stats.bytes <= 65536 and stats.items > 100, tonumber(stats.bytes))
    assert.is_nil(get "k1")
    assert.is_string(get "k5000")
    assert.equal("TOOBIG", (set("large", ("x"):rep(9000))))
    assert.is_true(stats.evictions > 4000)
  end)

  it("is one by its name, among the groups of a node", function()
    local gs, e = C.groups_new(), ffi.new "struct error"
    local a = C.groups_shared(gs, "a", 4096, e)
    assert.is_true(a == C.groups_shared(gs, "a", 8192, e))
    for i = 2, C.GROUPS_MAX_SHARED do
      assert.is_true(C.groups_shared(gs, "t" .. i, 4096, e) ~= nil)
    end
    assert.is_true(C.groups_shared(gs, "one more", 4096, e) == nil)
    assert.equal("BUSY", ffi.string(C.err_name(e.code)))
    C.groups_free(gs)
  end)
end)
