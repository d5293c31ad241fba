-- SPDX-License-Identifier: MIT

local expires_ms = require "unit.expires_ms"
local ffi = require "ffi"
local C = require("support.unit").load("cache/packed.h", "cache/item.h", "cache/extra.h",
  "base/mem.h")
local key_ref = require "unit.key_ref"

local GZIP, ZSTD = tonumber(C.PACKED_GZIP), tonumber(C.PACKED_ZSTD)

-- An item with the packed form of a text, and a header beside.
local function packed(coding, text, plain)
  local n, e = ffi.new "size_t[1]", ffi.new "struct error"
  local bytes = C.packed_make(coding, text, #text, n)
  if bytes == nil then
    return nil
  end
  local x = ffi.new "struct extra"
  assert.equal(0, tonumber(C.extra_put_header(x, "x-a", 3, "b", 1, e)))
  assert.equal(0, tonumber(C.extra_put_packed(x, coding, plain or #text, e)))
  assert.equal(1, C.extra_check(x.bytes, x.n))
  local it = C.item_new_extra(key_ref("key", 7), bytes, n[0], 5, x.bytes, x.n)
  C.mem_free(bytes)
  return it
end

local TEXT = ("a text that comes again. "):rep(400)

describe("a packed item", function()
  local e = ffi.new "struct error"

  local function check(coding)
    local it = packed(coding, TEXT)
    assert.is_true(it.value_len < 1000)
    assert.same({ coding, 1 }, { tonumber(C.packed_of(it)), C.item_is_packed(it) })
    C.item_set_age(it, 100)
    local plain = C.packed_open(it, e)
    assert.equal(TEXT, ffi.string(C.item_value(plain), plain.value_len))
    assert.same({ 0, 5, it.made_s, 0 }, { tonumber(C.packed_of(plain)),
      expires_ms(plain), plain.made_s, plain.special })
    local len = ffi.new "size_t[1]"
    local extra = C.item_extra(plain, len)
    assert.equal("b", ffi.string(C.extra_header(extra, len[0], "x-a")))
    assert.equal("key", ffi.string(C.item_key(plain), plain.key_len))
    C.item_unref(plain)
    C.item_unref(it)
  end

  it("is opened to the value itself", function()
    check(GZIP)
    if C.packed_name(ZSTD) ~= nil then
      check(ZSTD)
    end
  end)

  it("that is not packed is opened to itself", function()
    local it = C.item_new(key_ref("key", 7), TEXT, #TEXT, 5)
    assert.is_true(C.packed_open(it, e) == it)
    assert.equal(0, tonumber(C.packed_of(it)))
    C.item_unref(it)
    C.item_unref(it)
  end)

  it("is refused when its bytes are not what it says", function()
    for _, plain in ipairs { #TEXT - 1, #TEXT + 1, 0 } do
      local it = packed(GZIP, TEXT, plain)
      assert.is_true(C.packed_open(it, e) == nil)
      assert.equal("the value is kept as gzip, which cannot be decompressed", ffi.string(e.msg))
      C.item_unref(it)
    end
  end)

  it("is not made of bytes that hardly shrink", function()
    local random = {}
    for i = 1, 5000 do random[i] = string.char(math.random(0, 255)) end
    assert.is_nil(packed(GZIP, table.concat(random)))
    assert.is_nil(packed(ZSTD, table.concat(random)))
  end)

  it("is made without memory at no time", function()
    for n = 0, 1 do
      C.mem_fail_after(n)
      local it = packed(GZIP, TEXT)
      C.mem_fail_after(-1)
      assert.is_true(it == nil or it.value_len < 1000)
      if it ~= nil then C.item_unref(it) end
    end
  end)
end)
