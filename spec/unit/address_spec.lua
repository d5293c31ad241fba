-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load "base/address.h"

local function parse(text)
  local a = ffi.new "struct address"
  return C.address_parse(text, #text, a) == 1 and a or nil
end

local function put(a)
  return ffi.string(C.address_put(a, ffi.new("char[?]", tonumber(C.ADDRESS_TEXT))))
end

describe("address", function()
  it("reads addresses in digits, and writes them in their shortest form", function()
    for text, form in pairs {
      ["127.0.0.1"] = "127.0.0.1", ["255.255.255.255"] = "255.255.255.255",
      ["::1"] = "::1", ["0:0:0:0:0:0:0:1"] = "::1", ["2001:DB8::0:1"] = "2001:db8::1",
      ["::ffff:10.1.2.3"] = "10.1.2.3", ["::"] = "::",
    } do
      assert.equal(form, put(assert(parse(text), text)))
    end
  end)

  it("takes nothing else for an address", function()
    for _, text in ipairs { "", "localhost", "1.2.3", "1.2.3.4.5", "1.2.3.256", "0x7f.0.0.1",
      "1.2.3.4 ", " 1.2.3.4", "1.2.3.4\0", "[::1]", "::1%lo", ":::1", "1.2.3.4:80",
      ("0"):rep(60) } do
      assert.is_nil(parse(text), text)
    end
  end)

  it("has one value for an address of IPv4 and the same in IPv6", function()
    assert.equal(1, C.address_equal(parse "10.1.2.3", parse "::ffff:10.1.2.3"))
    assert.equal(0, C.address_equal(parse "10.1.2.3", parse "10.1.2.4"))
  end)

  it("clears the bits behind a prefix, and says whether there were any", function()
    for _, case in ipairs {
      { "10.1.2.3", 96 + 8, "10.0.0.0", 1 }, { "10.0.0.0", 96 + 8, "10.0.0.0", 0 },
      { "10.1.2.3", 128, "10.1.2.3", 0 }, { "10.1.2.255", 96 + 31, "10.1.2.254", 1 },
      { "ffff::1", 0, "::", 1 }, { "ffff::1", 1, "8000::", 1 }, { "fd00::1", 127, "fd00::", 1 },
    } do
      local a = parse(case[1])
      assert.equal(case[4], C.address_clear_behind(a, case[2]), case[1])
      assert.equal(case[3], put(a))
    end
  end)

  it("is of this machine only if it is one of loopback, with a port", function()
    for text, is in pairs { ["127.0.0.1:1"] = 1, ["127.9.9.9:80"] = 1, ["[::1]:80"] = 1,
      ["128.0.0.1:1"] = 0, ["[::1f]:80"] = 0, ["0.0.0.0:80"] = 0, ["[::]:80"] = 0,
      ["unix:/x"] = 0 } do
      assert.equal(is, C.address_is_loopback(text), text)
    end
  end)
end)
