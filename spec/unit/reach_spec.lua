-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load "net/reach.h"

local function allows(text, allow)
  local a = ffi.new "struct address"
  assert.equal(1, C.address_parse(text, #text, a), text)
  return C.reach_allows(allow or "", a) == 1
end

describe("the reach of an exchange", function()
  it("has public addresses", function()
    for _, text in ipairs { "1.1.1.1", "8.8.8.8", "9.255.255.255", "11.0.0.0", "100.63.255.255",
      "100.128.0.0", "126.255.255.255", "128.0.0.0", "172.15.255.255", "172.32.0.0", "192.167.1.1",
      "192.169.0.0", "223.255.255.255", "2606:4700::1111", "2a00::1", "64:ff9b::8.8.8.8",
      "2002:808:808::1" } do
      assert.is_true(allows(text), text)
    end
  end)

  it("has no loopback, private, link-local, shared, reserved or multicast address", function()
    for _, text in ipairs { "0.0.0.0", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1",
      "127.255.255.255", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.1",
      "192.0.2.1", "192.168.1.1", "198.18.0.1", "198.19.255.255", "224.0.0.1", "240.0.0.1",
      "255.255.255.255", "::", "::1", "::7f00:1", "fc00::1", "fd00:ec2::254", "fe80::1",
      "febf::1", "fec0::1", "ff02::1", "2001:db8::1", "2001::1", "100::1" } do
      assert.is_false(allows(text), text)
    end
  end)

  it("is not widened by another way to write an address of IPv4", function()
    for _, text in ipairs { "::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "64:ff9b::10.0.0.1",
      "64:ff9b::169.254.169.254", "2002:7f00:1::", "2002:a00:1::1" } do
      assert.is_false(allows(text), text)
    end
  end)

  it("is widened by networks that are named", function()
    assert.is_true(allows("10.1.2.3", "10.0.0.0/8"))
    assert.is_true(allows("127.0.0.1", "10.0.0.0/8, 127.0.0.1"))
    assert.is_false(allows("127.0.0.2", "10.0.0.0/8, 127.0.0.1"))
    assert.is_true(allows("fd00::1", "fd00::/8"))
    assert.is_true(allows("8.8.8.8", "10.0.0.0/8"))
  end)
end)
