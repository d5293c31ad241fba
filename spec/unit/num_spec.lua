-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load("base/num.h", "base/mem.h")

local MOST = 0xffffffffffffffffULL

-- Reads just these bytes. -> 1 or 0, the number
local function parse(text, max)
  local copy = ffi.cast("char *", C.mem_alloc(#text))
  ffi.copy(copy, text, #text)
  local out = ffi.new("uint64_t[1]", 77)
  local ok = C.num_parse_u64(copy, #text, max or MOST, out)
  C.mem_free(copy)
  return ok, out[0]
end

describe("a number from outside", function()
  it("is digits", function()
    for text, want in pairs {
      ["0"] = 0ULL, ["7"] = 7ULL, ["42"] = 42ULL, ["65535"] = 65535ULL,
      ["9223372036854775808"] = 9223372036854775808ULL,
      ["18446744073709551614"] = MOST - 1, ["18446744073709551615"] = MOST,
      ["00"] = 0ULL, ["007"] = 7ULL, ["018446744073709551615"] = MOST,
      [("0"):rep(100) .. "1"] = 1ULL,
    } do
      assert.same({ 1, want }, { parse(text) }, text)
    end
  end)

  it("is nothing else", function()
    for _, text in ipairs { "", " ", "-1", "+1", "-0", " 1", "1 ", "\t1", "1\n", "0x10", "1Z", "Z1",
      "1.0", "1e3", "1,000", "1_000", "\0", "1\0", "\0001", "1\0002", "1-2", "½", "١", "/", ":",
      "inf", "nan", ("9"):rep(30) .. "x" } do
      assert.same({ 0, 0ULL }, { parse(text) }, ("%q"):format(text))
    end
  end)

  it("is at most what its reader takes, and else counts as that much", function()
    for _, case in ipairs {
      { "18446744073709551616" }, { "18446744073709551625" }, { "99999999999999999999" },
      { "184467440737095516150" }, { ("9"):rep(1000) }, { "065536", 65535ULL },
      { "65536", 65535ULL }, { "655350", 65535ULL }, { "1", 0ULL }, { "10", 9ULL },
      { "9223372036854775808", 9223372036854775807ULL },
    } do
      local max = case[2] or MOST
      assert.same({ 0, max }, { parse(case[1], max) }, case[1])
    end
    assert.same({ 1, 65535ULL }, { parse("65535", 65535ULL) })
    assert.same({ 1, 0ULL }, { parse("000", 0ULL) })
  end)

  it("is read as it was printed, up to every maximum", function()
    math.randomseed(201)
    for _ = 1, 5000 do
      local n = ffi.cast("uint64_t", math.random(0, 2 ^ 32 - 1)) * 2 ^ math.random(0, 32)
        + math.random(0, 2 ^ 16)
      local digits = tostring(n):match "%d+"
      assert.same({ 1, n }, { parse(digits, n) })
      assert.same({ 0, 0ULL }, { parse(digits .. "x", n) })
      if n > 0 then
        assert.same({ 0, n - 1 }, { parse(digits, n - 1) })
      end
      assert.equal(#digits, tonumber(C.num_digits(digits)))
    end
  end)

  it("ends where its digits do", function()
    assert.equal(0, tonumber(C.num_digits ""))
    assert.equal(0, tonumber(C.num_digits "-1"))
    assert.equal(3, tonumber(C.num_digits "123-456"))
  end)
end)
