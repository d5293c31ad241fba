-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load("base/seldom.h", "base/clock.h")

describe("a seldom line", function()
  it("is written at once, then once a second, with the number of events", function()
    local s = ffi.new "struct seldom"
    assert.equal(1, C.seldom_count(s))
    assert.equal(0, C.seldom_count(s))
    assert.equal(0, C.seldom_count(s))
    C.clock_advance(1000)
    assert.equal(3, C.seldom_count(s))
    assert.equal(0, C.seldom_count(s))
    C.clock_advance(5000)
    assert.equal(2, C.seldom_count(s))
  end)
end)
