-- SPDX-License-Identifier: MIT

-- When a task is set aside and when it is stopped.

local ffi = require "ffi"
local C = require("support.unit").load("script/turn.h", "script/cpu.h", "base/clock.h")

local FAR = 1000000 -- ms

describe("a turn", function()
  local turn, cpu, now

  before_each(function()
    C.clock_hold(true)
    turn, cpu, now = ffi.new "struct turn", ffi.new "struct cpu", C.clock_ms()
  end)

  after_each(function() C.clock_hold(false) end)

  local function begin(goes_on)
    now = C.clock_ms()
    C.turn_begin(turn, cpu, now + FAR, goes_on and 1 or 0)
  end

  local function look()
    return tonumber(C.turn_look(turn, cpu))
  end

  -- Uses so much processor time of this thread.
  local function compute(ms)
    local till = os.clock() + ms / 1000
    while os.clock() < till do end
  end

  it("goes on until its burst ends, then in slices that are shorter", function()
    turn.burst_ms = 100
    begin()
    assert.equal(now + 100, turn.look_ms)
    assert.equal(C.TURN_GOES_ON, look())
    C.clock_advance(100)
    assert.equal(C.TURN_ASIDE, look())
    C.turn_end(turn, cpu)
    begin(true)
    assert(turn.look_ms > now and turn.look_ms <= now + 10, "a slice")
    C.clock_advance(10)
    assert.equal(C.TURN_ASIDE, look())
  end)

  it("is looked at again a slice later when it cannot be set aside", function()
    turn.burst_ms = 100
    begin()
    C.clock_advance(100)
    assert.equal(C.TURN_ASIDE, look())
    C.turn_later(turn, cpu)
    assert(turn.look_ms > C.clock_ms() and turn.look_ms <= C.clock_ms() + 10)
    assert.equal(C.TURN_GOES_ON, look())
    C.clock_advance(10)
    assert.equal(C.TURN_ASIDE, look())
  end)

  it("is never set aside without a burst", function()
    begin()
    assert.equal(now + FAR, turn.look_ms)
    C.clock_advance(FAR - 1000)
    assert.equal(C.TURN_GOES_ON, look())
  end)

  it("is late at the deadline, and at its own bound", function()
    begin()
    C.clock_advance(FAR)
    assert.equal(C.TURN_LATE, look())
    turn.bound_ms, turn.burst_ms = 50, 20
    begin()
    assert.equal(now + 50, turn.until_ms)
    C.clock_advance(50)
    assert.equal(C.TURN_LATE, look())
  end)

  it("is spent when all turns together have used so much processor time", function()
    C.clock_hold(false) -- processor time is that of this thread
    turn.cpu_ms = 40
    begin()
    compute(25)
    assert.equal(C.TURN_GOES_ON, look())
    C.turn_end(turn, cpu)
    assert.equal(0, C.turn_spent(turn))
    local used = tonumber(turn.used_ns) / 1e6
    assert(used > 20 and used < 36, used .. " ms")
    C.clock_hold(true)
    begin()
    assert(turn.look_ms < now + 25)
    C.clock_hold(false)
    compute(20)
    assert.equal(C.TURN_SPENT, look())
    C.turn_end(turn, cpu)
    assert.equal(1, C.turn_spent(turn))
  end)

  it("has used nothing while it blocked", function()
    turn.cpu_ms = 40
    begin()
    C.clock_advance(5000) -- in which this thread has not computed
    assert.equal(C.TURN_GOES_ON, look())
    C.turn_end(turn, cpu)
    assert(turn.used_ns < 20e6, tostring(turn.used_ns))
  end)

  it("of less than a millisecond counts as long as it lasts", function()
    C.clock_hold(false)
    for _ = 1, 1000 do
      begin()
      C.turn_end(turn, cpu)
    end
    assert(turn.used_ns > 0 and turn.used_ns < 500e6, tostring(turn.used_ns))
  end)
end)
