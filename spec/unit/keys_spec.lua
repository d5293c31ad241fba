-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load("change/keys.h", "base/mem.h")

local function list_of(keys)
  local list = ffi.new("struct key[?]", #keys + 1)
  for i, key in ipairs(keys) do
    list[i - 1].bytes, list[i - 1].n = ffi.cast("const char *", key), #key
  end
  return list
end

local function copy(keys)
  local out = ffi.new "struct keys"
  return tonumber(C.keys_copy(out, list_of(keys), #keys)), out
end

describe("a copy of keys", function()
  after_each(function()
    C.mem_fail_after(-1)
  end)

  it("has the same bytes elsewhere", function()
    local keys = { "a", "", "b\0c", ("long"):rep(1000) }
    local err, out = copy(keys)
    assert.equal(0, err)
    assert.equal(#keys, tonumber(out.n))
    for i, key in ipairs(keys) do
      assert.equal(key, ffi.string(out.list[i - 1].bytes, out.list[i - 1].n))
    end
    assert.is_true(out.list[0].bytes ~= ffi.cast("const char *", keys[1]))
    C.keys_free(out)
    assert.equal(0, tonumber(out.n))
  end)

  it("may be empty", function()
    local err, out = copy {}
    assert.equal(0, err)
    assert.equal(0, tonumber(out.n))
    assert.is_true(out.list == nil)
    C.keys_free(out)
  end)

  it("is empty when there is no memory", function()
    C.mem_fail_after(0)
    local err, out = copy { "a", "b" }
    C.mem_fail_after(-1)
    assert.equal(tonumber(C.ERR_NOMEM), err)
    assert.equal(0, tonumber(out.n))
    assert.is_true(out.list == nil)
  end)
end)
