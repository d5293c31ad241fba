-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load("cache/popular.h", "cache/group.h")

local HALF = tonumber(C.POPULAR_HALF_MS)

describe("the table of popular keys", function()
  local p, keep

  before_each(function()
    p, keep = ffi.new "struct popular", {}
    C.popular_tick(p, 1000)
  end)

  local function add(key, times)
    local ref = ffi.new("struct key_ref", { key, #key, C.group_hash(key, #key) })
    keep[#keep + 1] = { key, ref }
    C.popular_add(p, ref, times or 1)
  end

  local function list()
    local out = ffi.new("struct popular_key[?]", C.POPULAR_KEYS)
    local n, names = tonumber(C.popular_list(p, out)), {}
    for i = 1, n do
      local k = out[i - 1]
      names[i] = ffi.string(k.key, math.min(k.key_len, C.POPULAR_KEY_BYTES))
    end
    return names, out
  end

  it("has the keys by their gets", function()
    add("a", 3)
    add("b", 5)
    add ""
    add "a"
    assert.same({ "b", "a", "" }, (list()))
  end)

  it("keeps the key of many gets among more keys than it has places", function()
    for i = 1, 2000 do
      add("k" .. i)
      add(i % 2 == 0 and "first" or "second")
      add "first"
    end
    local names = list()
    assert.equal("first", names[1])
    assert.equal("second", names[2])
  end)

  it("does not list keys that are no more popular than the rest", function()
    for i = 1, 2000 do
      add("k" .. i)
    end
    assert.is_true(#list() < 5)
  end)

  it("forgets old gets", function()
    add("old", 100)
    C.popular_tick(p, 1000 + HALF)
    local _, out = list()
    assert.equal(50, out[0].count)
    C.popular_tick(p, 1000 + 40 * HALF)
    assert.same({}, (list()))
    C.popular_tick(p, 1e15)
  end)

  it("knows a steady rate", function()
    for second = 1, 60 do
      add("k", 7)
      C.popular_tick(p, 1000 + 1000 * second)
    end
    local _, out = list()
    assert.near(7 * 60, C.popular_rate(p, out[0], 61000), 30)
  end)

  it("keeps the first bytes of a long key, and its length", function()
    add(("x"):rep(5000))
    local names, out = list()
    assert.same({ ("x"):rep(64) }, names)
    assert.equal(5000, out[0].key_len)
  end)
end)
