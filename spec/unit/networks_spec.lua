-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load("base/networks.h", "base/err.h")

-- -> a function that says whether an address is in the networks; or nil, message
local function parse(text)
  local set, e = ffi.new "struct networks", ffi.new "struct error"
  if C.networks_parse(set, text, e) ~= 0 then
    C.networks_deinit(set)
    return nil, ffi.string(e.msg)
  end
  ffi.gc(set, C.networks_deinit)
  return function(address)
    local a = ffi.new "struct address"
    assert.equal(1, C.address_parse(address, #address, a), address)
    return C.networks_have(set, a) == 1
  end
end

describe("a set of networks", function()
  it("has the addresses of each of them", function()
    local has = parse "10.0.0.0/8, 192.168.1.7,fd00::/8 , 172.16.0.0/12"
    for _, address in ipairs { "10.0.0.0", "10.255.255.255", "192.168.1.7", "fd12::1",
      "172.31.0.1", "::ffff:10.1.1.1" } do
      assert.is_true(has(address), address)
    end
    for _, address in ipairs { "11.0.0.0", "9.255.255.255", "192.168.1.6", "fe00::1",
      "172.32.0.0", "::1" } do
      assert.is_false(has(address), address)
    end
  end)

  it("of the prefix 0 has every address of the family", function()
    assert.is_true(parse "0.0.0.0/0" "8.8.8.8")
    assert.is_false(parse "0.0.0.0/0" "::1")
    assert.is_true(parse "::/0" "8.8.8.8")
  end)

  it("is empty for an empty text", function()
    assert.is_false(parse "" "127.0.0.1")
  end)

  it("is refused with the entry that is wrong", function()
    for _, text in ipairs { "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8/8", "fd00::/129",
      "10.0.0/8", "nowhere", "10.0.0.0/8,,10.0.0.1", "/8" } do
      local ok, err = parse(text)
      assert.is_nil(ok, text)
      assert.matches("is not an address or a network, such as", err, 1, true)
    end
    assert.same({ nil, '"10.0.0.1/8" has bits behind its prefix, which must be 0' },
      { parse "10.0.0.1/8" })
  end)
end)
