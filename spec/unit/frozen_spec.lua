-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local unit = require "support.unit"
local C = unit.load("script/frozen.h", "base/mem.h")

describe("a frozen value", function()
  local f, identities

  before_each(function()
    f, identities = C.frozen_new(), 0
  end)

  after_each(function()
    C.mem_fail_after(-1)
    C.frozen_unref(f)
  end)

  -- The address of some table or string that nobody else has.
  local function identity()
    identities = identities + 1
    return ffi.cast("void *", identities * 8)
  end

  local function value(v)
    local out = ffi.new "struct frozen_value"
    if type(v) == "number" then
      out.kind, out.number = C.FROZEN_NUMBER, v
    elseif type(v) == "boolean" then
      out.kind, out.n = C.FROZEN_BOOLEAN, v and 1 or 0
    elseif type(v) == "string" then
      out.kind, out.n, out.at = C.FROZEN_STRING, #v, C.frozen_put_string(f, identity(), v, #v)
      assert(out.at > 0)
    elseif type(v) == "cdata" then
      out.kind, out.pointer = C.FROZEN_POINTER, v
    end
    return out
  end

  local function read(v)
    if v.kind == C.FROZEN_NUMBER then
      return v.number
    elseif v.kind == C.FROZEN_BOOLEAN then
      return v.n == 1
    elseif v.kind == C.FROZEN_STRING then
      return ffi.string(C.frozen_string(f, v), v.n)
    elseif v.kind == C.FROZEN_POINTER then
      return ffi.cast("void *", v.pointer)
    end
  end

  -- A table with the root's place in the block, sealed.
  local function seal(list, named)
    local count = 0
    for _ in pairs(named) do
      count = count + 1
    end
    local at = C.frozen_put_table(f, identity(), #list, count)
    assert(at > 0)
    for i, v in ipairs(list) do
      C.frozen_set_item(f, at, i, value(v))
    end
    for k, v in pairs(named) do
      C.frozen_set_named(f, at, value(k), value(v))
    end
    C.frozen_seal(f, ffi.new("struct frozen_value", { kind = C.FROZEN_TABLE, at = at }))
    return C.frozen_root(f).at
  end

  local function get(at, k)
    local key = ffi.new "struct frozen_value"
    if type(k) == "string" then
      key.kind, key.n = C.FROZEN_STRING, #k
    else
      key = value(k)
    end
    return read(C.frozen_get(f, at, key, type(k) == "string" and k or nil))
  end

  it("is nil at first, and may be any single value", function()
    assert.equal(C.FROZEN_NIL, tonumber(C.frozen_root(f).kind))
    C.frozen_seal(f, value "a\0b")
    assert.equal("a\0b", read(C.frozen_root(f)))
  end)

  it("has a list and other keys of every kind", function()
    local null = ffi.cast("void *", 0x1234)
    local at = seal({ "one", 2, true }, { name = "n", [""] = "empty", [-1.5] = "minus", [1e300] = 9,
      [false] = "no", [true] = "yes" })
    assert.equal(3, tonumber(C.frozen_length(f, at)))
    assert.same({ "one", 2, true }, { get(at, 1), get(at, 2), get(at, 3) })
    assert.same({ "n", "empty", "minus", 9, "no", "yes" }, { get(at, "name"), get(at, ""),
      get(at, -1.5), get(at, 1e300), get(at, false), get(at, true) })
    for _, absent in ipairs { 0, 4, 1.5, "nam", "name\0", null } do
      assert.is_nil(get(at, absent))
    end
  end)

  it("gives each key once, the list first", function()
    local named, seen = {}, {}
    for i = 1, unit.rounds(1000) do
      named["key " .. i] = i
    end
    local at = seal({ 10, 20 }, named)
    local key, next_key = ffi.new "struct frozen_value", ffi.new "struct frozen_value"
    local out, order = ffi.new "const struct frozen_value *[1]", {}
    while C.frozen_next(f, at, key, key.kind == C.FROZEN_STRING and C.frozen_string(f, key) or nil,
        next_key, out) ~= 0 do
      ffi.copy(key, next_key, ffi.sizeof(key))
      local k = read(key)
      assert.is_nil(seen[k])
      seen[k], order[#order + 1] = read(out[0]), k
    end
    assert.same({ 1, 2 }, { order[1], order[2] })
    named[1], named[2] = 10, 20
    assert.same(named, seen)
  end)

  it("has tables that contain each other, and knows what it has by identity", function()
    local one, other = identity(), identity()
    assert.equal(0, tonumber(C.frozen_place(f, one)))
    local a, b = C.frozen_put_table(f, one, 1, 0), C.frozen_put_table(f, other, 1, 0)
    assert.same({ a, b }, { C.frozen_place(f, one), C.frozen_place(f, other) })
    local function table_at(at)
      return ffi.new("struct frozen_value", { kind = C.FROZEN_TABLE, at = at })
    end
    C.frozen_set_item(f, a, 1, table_at(b))
    C.frozen_set_item(f, b, 1, table_at(a))
    C.frozen_seal(f, table_at(a))
    local first = C.frozen_get(f, a, value(1), nil)
    assert.equal(b, first.at)
    assert.equal(a, C.frozen_get(f, first.at, value(1), nil).at)
  end)

  it("finds again all that was put, when its index has grown", function()
    local places = {}
    for i = 1, 500 do
      places[i] = C.frozen_put_string(f, ffi.cast("void *", 1e6 + i * 8), tostring(i), 3)
    end
    for i = 1, 500 do
      assert(places[i] == C.frozen_place(f, ffi.cast("void *", 1e6 + i * 8)))
    end
  end)

  it("takes nothing without memory, and goes on when there is some", function()
    C.mem_fail_after(0)
    assert.equal(0, tonumber(C.frozen_put_string(f, identity(), ("x"):rep(10000), 10000)))
    C.mem_fail_after(-1)
    C.frozen_seal(f, value(("x"):rep(10000)))
    assert.equal(10000, #read(C.frozen_root(f)))
    assert(C.frozen_bytes(f) > 10000)
  end)
end)
