-- SPDX-License-Identifier: MIT

jit.off(true, true) -- timers call back into Lua

local ffi = require "ffi"
local C = require("support.unit").load("base/timers.h", "base/mem.h")

describe("timers", function()
  local ts, timers, ran, on_run
  local callback = ffi.cast("void (*)(struct timer *)", function(t)
    local i = tonumber(t - timers)
    ran[#ran + 1] = i
    if on_run then
      on_run(i)
    end
  end)

  local function begin(n)
    timers, ran, on_run = ffi.new("struct timer[?]", n), {}, nil
    for i = 0, n - 1 do
      timers[i].run = callback
    end
  end

  before_each(function()
    ts = ffi.new "struct timers"
    C.timers_init(ts)
    begin(10)
  end)

  after_each(function()
    C.mem_fail_after(-1)
    C.timers_deinit(ts)
  end)

  teardown(function()
    callback:free()
  end)

  it("runs what is due, in order, and nothing else", function()
    for i, at in ipairs { 50, 20, 40, 10, 30 } do
      C.timers_set(ts, timers[i], at)
    end
    C.timers_run(ts, 30)
    assert.same({ 4, 2, 5 }, ran)
    C.timers_run(ts, 49)
    assert.same({ 4, 2, 5, 3 }, ran)
  end)

  it("says how long it may sleep", function()
    assert.equal(-1, C.timers_wait_ms(ts, 5))
    C.timers_set(ts, timers[0], 100)
    assert.equal(95, C.timers_wait_ms(ts, 5))
    assert.equal(0, C.timers_wait_ms(ts, 100))
    assert.equal(0, C.timers_wait_ms(ts, 1000))
    C.timers_set(ts, timers[0], 0xffffffffffffffffULL)
    assert.equal(2 ^ 31 - 1, C.timers_wait_ms(ts, 5)) -- the largest int, for poll(2)
  end)

  it("lets a timer set itself again, and others", function()
    on_run = function(i)
      if i == 0 and #ran < 3 then
        C.timers_set(ts, timers[0], 10 * (#ran + 1))
      elseif i == 0 then
        C.timers_set(ts, timers[1], 5) -- due already
        C.timers_set(ts, timers[2], 1000)
      end
    end
    C.timers_set(ts, timers[0], 10)
    C.timers_run(ts, 100)
    assert.same({ 0, 0, 0, 1 }, ran)
    assert.equal(900, C.timers_wait_ms(ts, 100))
  end)

  it("lets a timer cancel another that is due", function()
    on_run = function()
      C.timers_cancel(ts, timers[1])
    end
    C.timers_set(ts, timers[0], 1)
    C.timers_set(ts, timers[1], 2)
    C.timers_run(ts, 10)
    assert.same({ 0 }, ran)
  end)

  it("leaves a timer unset when there is no memory, and the others in place", function()
    C.timers_set(ts, timers[0], 7)
    local i = 0
    begin(1000)
    C.timers_deinit(ts)
    C.mem_fail_after(1)
    local err
    repeat
      err = tonumber(C.timers_set(ts, timers[i], 1000 - i))
      i = i + 1
    until err ~= 0
    assert.equal(tonumber(C.ERR_NOMEM), err)
    assert.equal(0, tonumber(timers[i - 1].slot))
    C.timers_cancel(ts, timers[i - 1]) -- fine when it is not set
    C.timers_run(ts, 1000)
    assert.equal(i - 1, #ran)
  end)

  it("forgets what is set when it ends", function()
    C.timers_set(ts, timers[3], 9)
    C.timers_deinit(ts)
    assert.equal(0, tonumber(timers[3].slot))
    C.timers_run(ts, 100)
    assert.same({}, ran)
  end)

  it("does what a sorted list does, over 10000 random operations", function()
    math.randomseed(3)
    local count, now = 300, 0
    local at = {} -- the model: when each set timer is due
    begin(count)

    local function earliest()
      local first
      for _, t in pairs(at) do
        first = math.min(first or t, t)
      end
      return first
    end

    for _ = 1, 10000 do
      local i, what = math.random(0, count - 1), math.random(100)
      if what <= 65 then -- set or move
        local t = now + math.random(0, 500)
        assert.equal(0, tonumber(C.timers_set(ts, timers[i], t)))
        at[i] = t
      elseif what <= 90 then
        C.timers_cancel(ts, timers[i])
        at[i] = nil
      else
        now = now + math.random(0, 60)
        ran = {}
        C.timers_run(ts, now)
        local last = 0
        for _, k in ipairs(ran) do
          assert.is_true(at[k] ~= nil and at[k] <= now and at[k] >= last)
          last, at[k] = at[k], nil
        end
        local first = earliest()
        assert.is_true(first == nil or first > now)
      end
      assert.equal(at[i] ~= nil, timers[i].slot ~= 0)
      local first = earliest()
      assert.equal(first and math.max(first - now, 0) or -1, C.timers_wait_ms(ts, now))
    end
  end)
end)
