-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load "base/md5.h"

local function md5(bytes)
  local out = ffi.new "char[32]"
  C.md5_hex(out, bytes, #bytes)
  return ffi.string(out, 32)
end

describe("md5", function()
  it("gives the digests of RFC 1321, A.5", function()
    for bytes, digest in pairs {
      [""] = "d41d8cd98f00b204e9800998ecf8427e",
      ["a"] = "0cc175b9c0f1b6a831c399e269772661",
      ["abc"] = "900150983cd24fb0d6963f7d28e17f72",
      ["message digest"] = "f96b697d7cb7938d525a2f31aaf161d0",
      ["abcdefghijklmnopqrstuvwxyz"] = "c3fcd3d76192e4007dfb496cca67e13b",
      ["ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"] =
        "d174ab98d277d9f5a5611c2c9f419d9f",
      [("1234567890"):rep(8)] = "57edf4a22be3c955ac49da2e2107b67a",
    } do
      assert.equal(digest, md5(bytes))
    end
  end)

  it("takes any bytes, and lengths around a block", function()
    assert.equal("93b885adfe0da089cdf634904fd59f71", md5 "\0")
    assert.equal("ef1772b6dff9a122358552954ad0df65", md5(("a"):rep(55)))
    assert.equal("3b0c8ac703f828b04c6c197006d17218", md5(("a"):rep(56)))
    assert.equal("014842d480b571495a4a0363793f7367", md5(("a"):rep(64)))
  end)
end)
