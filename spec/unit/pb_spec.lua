-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local messages = require "support.messages"
local C = require("support.unit").load("wire/pb.h", "base/buf.h", "base/mem.h")

local VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5

-- The fields as { number, type, content }; then whether the end was reached, and the place.
local function read(bytes)
  return messages.on_copy(bytes, function(copy, n)
    local pb, f = ffi.new "struct pb", ffi.new "struct pb_field"
    C.pb_init(pb, copy, n)
    local list, more = {}, C.pb_next(pb, f)
    while more == 1 do
      local kind = tonumber(f.type)
      if kind ~= VARINT then
        assert(f.bytes >= copy and f.bytes + f.len <= copy + n)
      end
      list[#list + 1] = { f.number, kind,
        kind == VARINT and f.varint or ffi.string(f.bytes, f.len) }
      more = C.pb_next(pb, f)
    end
    return list, more == 0, tonumber(C.pb_offset(pb, copy))
  end)
end

local function refused(bytes)
  local _, whole = read(bytes)
  return not whole
end

describe("protobuf's wire format", function()
  it("is read field by field, of every type", function()
    local list, whole, at = read "\8\172\2\17abcdefgh\26\3k\0y\37wxyz\130\125\0"
    assert.is_true(whole)
    assert.equal(25, at)
    assert.same({ { 1, VARINT, 300ULL }, { 2, FIXED64, "abcdefgh" }, { 3, BYTES, "k\0y" },
      { 4, FIXED32, "wxyz" }, { 2000, BYTES, "" } }, list)
    assert.same({}, (read ""))
  end)

  it("has numbers of 64 bits, in up to ten bytes", function()
    assert.same({ { 1, VARINT, 0xffffffffffffffffULL } },
      (read("\8" .. ("\255"):rep(9) .. "\1")))
    assert.same({ { 1, VARINT, 1ULL } }, (read("\8\129" .. ("\128"):rep(8) .. "\0")))
    assert.same({ { 2 ^ 29 - 1, VARINT, 0ULL } }, (read "\248\255\255\255\15\0"))
    assert.is_true(refused("\8" .. ("\255"):rep(9) .. "\2")) -- 65 bits
    assert.is_true(refused("\8" .. ("\128"):rep(10) .. "\0"))
  end)

  it("is refused where it is cut, has groups, or no such field or type", function()
    local whole = "\8\172\2\17abcdefgh\26\3k\0y\37wxyz"
    local ends = { [0] = true, [3] = true, [12] = true, [17] = true, [22] = true }
    for n = 0, #whole do
      assert.equal(not ends[n], refused(whole:sub(1, n)), n)
    end
    for _, bad in ipairs { "\11", "\12", "\14\0", "\15\0", "\0\0", "\2\0",
      "\128\128\128\128\16\0", "\10\2a", "\10" .. ("\255"):rep(9) .. "\1" } do
      assert.is_true(refused(bad), ("%q"):format(bad))
    end
  end)

  it("is written as it is read, in its shortest form", function()
    math.randomseed(233)
    for _ = 1, 2000 do
      local bits = 2ULL ^ math.random(0, 63)
      local number, value = math.random(1, 2 ^ math.random(1, 29) - 1), bits + math.random(0, 99)
      local text, double = messages.random_bytes(math.random(0, 300)), math.random() * 1e9
      local sizes = 0
      local bytes = messages.built(function(b)
        C.pb_put_int64(b, number, ffi.cast("int64_t", value))
        C.pb_put_bytes(b, number, text, #text)
        C.pb_put_double(b, number, double)
        sizes = b.len
      end)
      assert.same({ { number, VARINT, value }, { number, BYTES, text },
        { number, FIXED64, ffi.string(ffi.new("double[1]", double), 8) } }, (read(bytes)))
      assert.equal(#bytes, tonumber(sizes))
    end
  end)

  it("has the length that was computed before it is written", function()
    math.randomseed(239)
    for bits = 0, 63 do
      for _, more in ipairs { 0, 1 } do
        local f = ffi.new "struct pb_field"
        f.number, f.type, f.varint = 1 + bits * 7, VARINT, 2ULL ^ bits - more
        assert.equal(#messages.built(function(b) C.pb_put_field(b, f) end),
          tonumber(C.pb_field_size(f)))
        f.type, f.bytes = BYTES, ("x"):rep(3000)
        f.len = bits < 12 and 2 ^ bits - more or 0
        assert.equal(#messages.built(function(b) C.pb_put_field(b, f) end),
          tonumber(C.pb_field_size(f)))
      end
    end
  end)

  it("has doubles that come back", function()
    local bytes = ffi.new "char[8]"
    for _, x in ipairs { 0, -0.5, 1 / 3, 1e308, -1 / 0, 2 ^ -1074 } do
      C.pb_write_double(bytes, x)
      assert.equal(x, C.pb_read_double(bytes))
      assert.equal(ffi.string(ffi.new("double[1]", x), 8), ffi.string(bytes, 8))
    end
  end)
end)
