-- SPDX-License-Identifier: MIT

local C = require("support.unit").load "base/clock.h"

describe("clock", function()
  it("never goes back", function()
    local last = C.clock_ns()
    for _ = 1, 10000 do
      local now = C.clock_ns()
      assert.is_true(now >= last)
      last = now
    end
  end)

  it("says the same in milliseconds and nanoseconds", function()
    local before = C.clock_ns()
    local ms = C.clock_ms()
    local after = C.clock_ns()
    assert.is_true(before / 1000000 <= ms and ms <= after / 1000000)
  end)

  it("moves forward when it is told to", function()
    local hour = 3600 * 1000
    local before_ms, before_ns = C.clock_ms(), C.clock_ns()
    C.clock_advance(hour)
    local ms, ns = C.clock_ms() - before_ms, C.clock_ns() - before_ns
    assert.is_true(ms >= hour and ms < 2 * hour)
    assert.is_true(ns >= 1000000ULL * hour and ns < 2000000ULL * hour)
  end)
end)
