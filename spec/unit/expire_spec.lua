-- SPDX-License-Identifier: MIT

local C = require("support.unit").load("wire/expire.h", "base/clock.h")

local MAX = 0x7fffffffffffffffLL
local WALL = 1800000000ULL * 1000000000ULL -- some time in 2027

describe("an expiry", function()
  it("goes out as Unix time in nanoseconds", function()
    assert.equal(1800000001500000000LL, C.expire_to_wire(11500, 10000, WALL))
    assert.equal(1800000000000000000LL, C.expire_to_wire(10000, 10000, WALL))
  end)

  it("is never, on both sides, when it is 0", function()
    assert.equal(0LL, C.expire_to_wire(0, 10000, WALL))
    assert.equal(0, C.expire_is_past(0, WALL))
  end)

  it("that has passed goes out as now", function()
    assert.equal(1800000000000000000LL, C.expire_to_wire(1, 10000, WALL))
  end)

  it("beyond the wire's range goes out as its end", function()
    assert.equal(MAX, C.expire_to_wire(-1, 10000, WALL)) -- 2^64 - 1
    assert.equal(MAX, C.expire_to_wire(11500, 10000, -1))
    local longest = (MAX - 1800000000000000000LL) / 1000000
    assert.is_true(C.expire_to_wire(longest, 0, WALL) < MAX)
    assert.equal(MAX, C.expire_to_wire(longest + 1, 0, WALL))
  end)

  it("comes in as what is left of it, none of it lost", function()
    assert.equal(1500ULL, C.expire_left_ms(1800000001500000000LL, WALL))
    assert.equal(1501ULL, C.expire_left_ms(1800000001500000001LL, WALL))
    assert.equal(1ULL, C.expire_left_ms(1800000000000000001LL, WALL))
    assert.equal(0ULL, C.expire_left_ms(1800000000000000000LL, WALL))
    assert.equal(0ULL, C.expire_left_ms(1, WALL))
    assert.equal(0ULL, C.expire_left_ms(-1, WALL))
    assert.equal(9223372036855ULL, C.expire_left_ms(MAX, 0))
  end)

  it("has passed from the nanosecond after it, as in Go", function()
    assert.equal(0, C.expire_is_past(1800000000000000000LL, WALL))
    assert.equal(1, C.expire_is_past(1799999999999999999LL, WALL))
    assert.equal(1, C.expire_is_past(1, WALL))
    assert.equal(1, C.expire_is_past(-1, WALL))
    assert.equal(0, C.expire_is_past(MAX, WALL))
  end)

  it("survives the way to another node, by the clocks", function()
    local now = C.clock_ms()
    local wire = C.expire_to_wire(now + 5000, now, C.clock_wall_ns())
    local left = C.expire_left_ms(wire, C.clock_wall_ns())
    assert.is_true(left <= 5000 and left > 4000)
    C.clock_advance(10000)
    assert.equal(1, C.expire_is_past(wire, C.clock_wall_ns()))
    assert.equal(0ULL, C.expire_left_ms(wire, C.clock_wall_ns()))
  end)
end)
