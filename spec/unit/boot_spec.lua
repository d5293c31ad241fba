-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local tmp = require "support.tmp"
local C = require("support.unit").load "base/boot.h"

describe("the start of the machine", function()
  it("has the kernel's name", function()
    local out = ffi.new("char[?]", 40, 0x55)
    C.boot_name(out)
    assert.equal(tmp.read("/proc/sys/kernel/random/boot_id"):match "%S+", ffi.string(out))
  end)
end)
