-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load "base/pct.h"

local function encode(bytes)
  local b = ffi.new "struct buf"
  C.buf_init(b, 0)
  local err = tonumber(C.pct_encode(b, bytes, #bytes))
  local text = ffi.string(b.data, b.len)
  C.buf_deinit(b)
  assert.equal(0, err)
  return text
end

local function decode(text, plus_is_space)
  local out = ffi.new("char[?]", #text + 1)
  local n = tonumber(C.pct_decode(out, text, #text, plus_is_space and 1 or 0))
  return n >= 0 and ffi.string(out, n) or nil
end

describe("pct", function()
  it("leaves exactly the unreserved bytes of RFC 3986 as they are", function()
    for byte = 0, 255 do
      local c = "x" .. string.char(byte) -- not alone: "." alone is another matter
      local plain = c:find "^x[%w%-._~]$" and byte < 128
      assert.equal(plain and c or ("x%%%02X"):format(byte), encode(c))
    end
  end)

  it("brings every byte back, whatever a plus means", function()
    for byte = 0, 255 do
      local c = string.char(byte)
      assert.equal(c, decode(encode(c), false))
      assert.equal(c, decode(encode(c), true))
      assert.equal("a" .. c .. "b", decode(encode("a" .. c .. "b"), true))
    end
  end)

  it("brings random strings back", function()
    math.randomseed(23)
    for _ = 1, 2000 do
      local parts = {}
      for i = 1, math.random(0, 40) do
        parts[i] = string.char(math.random(0, 255))
      end
      local bytes = table.concat(parts)
      assert.equal(bytes, decode(encode(bytes), math.random(2) == 1))
    end
  end)

  it("hides a whole segment that would be a step in the path", function()
    assert.equal("%2E", encode ".")
    assert.equal("%2E%2E", encode "..")
    assert.equal("...", encode "...")
    assert.equal(".a", encode ".a")
    assert.equal("..%2F", encode "../")
    assert.equal("", encode "")
  end)

  it("appends to what is there and keeps to the bound", function()
    local b = ffi.new "struct buf"
    C.buf_init(b, 8)
    C.buf_put(b, "ab", 2)
    assert.equal(0, tonumber(C.pct_encode(b, "\255\254", 2)))
    assert.equal("ab%FF%FE", ffi.string(b.data, b.len))
    assert.equal(tonumber(C.ERR_TOOBIG), tonumber(C.pct_encode(b, "x", 1)))
    C.buf_deinit(b)
  end)

  it("decodes hex digits of either case, once", function()
    assert.equal("jJ/", decode "%6a%4A%2f")
    assert.equal("%41", decode "%2541")
  end)

  it("reads a raw plus as the dialect says, an encoded one as a plus", function()
    assert.equal("a+b+c", decode("a+b%2Bc", false))
    assert.equal("a b+c", decode("a+b%2Bc", true))
  end)

  it("refuses a percent sign without two hex digits", function()
    for _, text in ipairs { "%", "%4", "%zz", "%4z", "%z4", "a%", "a%4", "%%41", "%+1", "% 1",
      "%-1" } do
      assert.is_nil(decode(text))
    end
    for byte = 0, 255 do
      local c = string.char(byte)
      local hex = c:find "^%x$" ~= nil
      assert.equal(hex, decode("%" .. c .. "0") ~= nil)
      assert.equal(hex, decode("%0" .. c) ~= nil)
    end
  end)

  it("does not read digits beyond the end", function()
    local out = ffi.new "char[8]"
    assert.equal(-1, tonumber(C.pct_decode(out, "%41", 2, 0)))
    assert.equal(-1, tonumber(C.pct_decode(out, "%41", 1, 0)))
  end)

  it("refuses raw control bytes, spaces and DEL, takes all others", function()
    for byte = 0, 255 do
      if byte ~= 0x25 then
        local c = string.char(byte)
        local fine = byte > 0x20 and byte ~= 0x7f
        assert.equal(fine and "a" .. c or nil, decode("a" .. c))
      end
    end
  end)

  it("decodes in place", function()
    local text = ffi.new("char[32]", "%00k%2F%ff+")
    local n = tonumber(C.pct_decode(text, text, 11, 1))
    assert.equal("\0k/\255 ", ffi.string(text, n))
  end)
end)
