-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load("script/constants.h", "script/frozen.h", "base/mem.h")

describe("constants", function()
  local cs, hint

  before_each(function()
    cs, hint = C.constants_new(), ffi.new "size_t[1]"
  end)

  after_each(function() C.constants_unref(cs) end)

  -- Adds a constant that is a number.
  local function add(where, nth, number)
    local f = C.frozen_new()
    C.frozen_seal(f, ffi.new("struct frozen_value", { kind = C.FROZEN_NUMBER, number = number }))
    C.constants_add(cs, where, nth, f)
    C.frozen_unref(f)
  end

  local function find(where, nth)
    local f = C.constants_find(cs, where, nth, hint)
    local number = f ~= nil and C.frozen_root(f).number or nil
    C.frozen_unref(f)
    return number
  end

  it("are known by a place, and by how many calls of it came before", function()
    assert.is_nil(find("node.lua:3", 1))
    add("node.lua:3", 1, 31)
    add("node.lua:3", 2, 32)
    add("node.lua:9", 1, 91)
    assert.same({ 31, 32, 91 }, { find("node.lua:3", 1), find("node.lua:3", 2),
      find("node.lua:9", 1) })
    assert.is_nil(find("node.lua:9", 2))
    assert.is_nil(find("node.lua", 1))
  end)

  it("are found in any order, and fastest in that of the first VM", function()
    for i = 1, 20 do
      add("node.lua:" .. i, 1, i)
    end
    for i = 20, 1, -1 do
      assert.equal(i, find("node.lua:" .. i, 1))
      assert.equal(i, tonumber(hint[0])) -- the next search begins behind it
    end
  end)

  it("live as long as somebody uses them", function()
    add("node.lua:3", 1, 3)
    local f = C.constants_find(cs, "node.lua:3", 1, hint)
    local other = C.constants_ref(cs)
    C.constants_unref(cs)
    assert.equal(3, find("node.lua:3", 1))
    C.constants_unref(other)
    cs = nil
    assert.equal(3, C.frozen_root(f).number)
    C.frozen_unref(f)
  end)
end)
