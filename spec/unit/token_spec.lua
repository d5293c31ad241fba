-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load "net/request.h"

describe("a token", function()
  -- The functions of token.h are inline: a method's name is checked by them.
  it("has letters, digits and the marks of RFC 9110, and no other byte", function()
    for byte = 1, 255 do
      local char = string.char(byte)
      local is_token = byte < 128 and char:find "[%w!#$%%&'*+%-.^_`|~]" ~= nil
      assert.equal(is_token, C.request_check_method(char, 0, ffi.new "struct error") == 0, byte)
    end
  end)
end)
