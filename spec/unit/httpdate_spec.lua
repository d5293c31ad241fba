-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load("base/httpdate.h")

describe("a date of HTTP", function()
  local out = ffi.new "int64_t[1]"
  local NOW = 1795910400 -- in November 2026

  local function read(text)
    return C.httpdate_read(text, #text, NOW, out) == 1 and tonumber(out[0]) or nil
  end

  it("is read in the three forms of RFC 9110", function()
    assert.equal(784111777, read "Sun, 06 Nov 1994 08:49:37 GMT")
    assert.equal(784111777, read "Sunday, 06-Nov-94 08:49:37 GMT")
    assert.equal(784111777, read "Sun Nov  6 08:49:37 1994")
  end)

  it("is the same as the C library's, on any day", function()
    for day = -3000, 40000, 37 do
      local at = day * 86400 + day % 86400
      assert.equal(at, read(os.date("!%a, %d %b %Y %H:%M:%S GMT", at)))
      assert.equal(at, read(os.date("!%a %b %e %H:%M:%S %Y", at)))
    end
  end)

  it("counts letters in any case", function()
    for _, text in ipairs { "SUN, 06 NOV 1994 08:49:37 GMT", "sun, 06 nov 1994 08:49:37 gmt" } do
      assert.equal(784111777, read(text))
    end
  end)

  it("with a year of two digits is within fifty years", function()
    assert.equal(2050, tonumber(os.date("!%Y", read "Thursday, 18-Aug-50 02:01:18 GMT")))
    assert.equal(2076, tonumber(os.date("!%Y", read "Tuesday, 18-Aug-76 02:01:18 GMT")))
    assert.equal(1977, tonumber(os.date("!%Y", read "Thursday, 18-Aug-77 02:01:18 GMT")))
  end)

  it("with anything else in it is none", function()
    for _, text in ipairs { "", "0", "-1", "Thu, 18 Aug 2050 02:01:18 UTC",
      "Thu, 18 Aug 50 02:01:18 GMT", "Thu 18 Aug 2050 02:01:18 GMT",
      "Thu, 18  Aug  2050 02:01:18 GMT", "Thu, 18-Aug-2050 02:01:18 GMT",
      "Thu, 18 Aug 2050 02.01.18 GMT", "Thu, 18 Aug 2050 2:01:18 GMT",
      "Thu, 18 Aug 2050 24:01:18 GMT", "Thu, 32 Aug 2050 02:01:18 GMT",
      "Thu, 00 Aug 2050 02:01:18 GMT", "Thu, 18 Foo 2050 02:01:18 GMT",
      "Thu, 18 Aug 2050 02:01:18 GMT ", " Thu, 18 Aug 2050 02:01:18 GMT",
      "Thu, 18 Aug 2050 02:01:18", "Thu, 18 Aug 2050 02:01:18 GM", "Thu,", "Thursday, 18-Aug-50" }
    do
      assert.is_nil(read(text), text)
    end
  end)

  it("is read within its length alone", function()
    local text = "Sun, 06 Nov 1994 08:49:37 GMT"
    for n = 0, #text - 1 do
      local part = ffi.new("char[?]", n + 1, text:sub(1, n))
      assert.equal(0, C.httpdate_read(part, n, NOW, out))
    end
  end)
end)
