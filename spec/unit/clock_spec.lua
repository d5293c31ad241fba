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
    local before_ms, before_ns, before_wall = C.clock_ms(), C.clock_ns(), C.clock_wall_ns()
    C.clock_advance(hour)
    local ms, ns = C.clock_ms() - before_ms, C.clock_ns() - before_ns
    local wall = C.clock_wall_ns() - before_wall
    assert.is_true(ms >= hour and ms < 2 * hour)
    assert.is_true(ns >= 1000000ULL * hour and ns < 2000000ULL * hour)
    assert.is_true(wall >= 1000000ULL * hour and wall < 2000000ULL * hour)
  end)

  it("stands still while it is held, moves only when it is told to, and never goes back", function()
    C.clock_hold(true)
    local ns, wall, real = C.clock_ns(), C.clock_wall_ns(), C.clock_real_ns()
    while C.clock_real_ns() == real do end
    assert.same({ ns, wall }, { C.clock_ns(), C.clock_wall_ns() })
    C.clock_advance(3)
    assert.same({ ns + 3000000, wall + 3000000 }, { C.clock_ns(), C.clock_wall_ns() })
    C.clock_hold(false)
    assert.is_true(C.clock_ns() > ns + 3000000)
  end)

  it("has a real time that is not moved", function()
    local hour, before = 3600 * 1000, C.clock_real_ms()
    C.clock_advance(hour)
    assert.is_true(C.clock_real_ms() - before < hour)
    assert.is_true(C.clock_real_ns() / 1000000 < C.clock_ns() / 1000000 - hour + 1)
  end)

  it("knows the processor time of a thread, which stands still while it sleeps", function()
    local before = C.clock_thread_ns()
    require("socket").sleep(0.05)
    local slept = C.clock_thread_ns() - before
    local began = C.clock_real_ns()
    while C.clock_thread_ns() - before - slept < 5000000ULL do end
    assert.is_true(slept < 50000000ULL)
    assert.is_true(C.clock_real_ns() - began >= 4900000ULL)
  end)

  it("gives conditions a time that is ahead of the real one, not of the node's", function()
    C.clock_advance(3600 * 1000)
    for _, ms in ipairs { 0, 999, 1000, 1500 } do
      local before = C.clock_real_ns()
      local t = C.clock_cond_in_ms(ms)
      local at = t.tv_sec * 1000000000ULL + t.tv_nsec
      assert.is_true(t.tv_nsec >= 0 and t.tv_nsec < 1000000000)
      assert.is_true(at >= before + ms * 1000000ULL)
      assert.is_true(at <= C.clock_real_ns() + ms * 1000000ULL)
    end
  end)

  it("knows the time of day, in nanoseconds since 1970", function()
    local before = os.time()
    local real, wall = tonumber(C.clock_real_wall().tv_sec), C.clock_wall_ns() / 1000000000ULL
    assert.is_true(real >= before and real <= os.time())
    assert.is_true(wall >= before) -- specs of this process may have moved it forward
  end)
end)
