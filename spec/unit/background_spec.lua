-- SPDX-License-Identifier: MIT

-- When background functions are called, called again, stopped, and waited for: the clock is moved.

local background = require "unit.background"
local eventually = require "support.eventually"
local C, S = background.C, background.S

describe("background", function()
  local w, vm, b

  setup(function() C.log_set_level(C.LOG_OFF) end)
  teardown(function() C.log_set_level(C.LOG_INFO) end)

  local function start(text)
    S.reset()
    w = background.script(text)
    vm = C.worker_vm(w)
    b = C.background_new(vm, S.ready, nil)
    assert.equal(C.ERR_OK, C.worker_start(w, nil))
    C.background_start(b)
    background.sync(vm)
  end

  after_each(function()
    if w then
      assert.equal(1, C.worker_stop(w, C.clock_ms() + 5000))
      C.worker_free(w)
      C.background_free(b)
      w = nil
    end
  end)

  local function stats(name)
    return background.seen(C.background_each, b, name)
  end

  local function pauses()
    local list, times = {}, background.notes()
    for i = 2, #times do
      list[i - 1] = (times[i] - times[i - 1]) / 1000
    end
    return list
  end

  -- Moves the clock in steps of 50 ms until fn says so.
  local function advance_until(fn, what)
    for _ = 1, 10000 do
      if fn() then
        return
      end
      background.advance(vm, 50)
    end
    error("never: " .. what, 2)
  end

  local function until_notes(n)
    advance_until(function() return S.count_notes() >= n end, n .. " calls")
  end

  it("calls all in order of definition, and each once", function()
    start [[
      local order = {}
      for _, name in ipairs { "a", "b", "c" } do
        define(name, 0, 0, function()
          order[#order + 1] = name
          if name == "c" then error(table.concat(order), 0) end
        end)
      end
    ]]
    assert.equal("abc", stats("c").last_error)
    assert.same({ runs = 1, errors = 0, repeats = false, running = false, running_ms = 0,
      last_error = "" }, stats "a")
    background.advance(vm, 3600 * 1000)
    assert.equal(1, stats("a").runs)
  end)

  it("calls one that fails again after pauses that grow from 1 s to 30 s", function()
    start [[define("f", 0, 0, function() note() error("no", 0) end)]]
    until_notes(9)
    for i, least in ipairs { 1, 2, 4, 8, 16, 24, 24, 24 } do
      local pause, most = pauses()[i], least * 1.25 + 0.1
      assert(pause >= least and pause <= most,
        ("pause %d is %.2f s, not %g to %g"):format(i, pause, least, most))
    end
    assert.same({ 9, 9, "no" }, { stats("f").runs, stats("f").errors, stats("f").last_error })
  end)

  it("pauses for other times each", function()
    local texts = {}
    for i = 1, 2 do
      start [[define("f", 0, 0, function() note() error "no" end)]]
      until_notes(6)
      texts[i] = pauses()[5]
      assert.equal(1, C.worker_stop(w, C.clock_ms() + 5000))
      C.worker_free(w)
      C.background_free(b)
      w = nil
    end
    assert.is_true(texts[1] ~= texts[2])
  end)

  it("begins with the first pause again after a call of a minute", function()
    start [[
      local runs = 0
      define("f", 0, 0, function()
        runs = runs + 1
        if runs == 4 then wait() end
        note()
        error "no"
      end)
    ]]
    until_notes(3)
    advance_until(function() return S.is_waiting() == 1 end, "it waits")
    background.advance(vm, 61000)
    assert.equal(61, math.floor(stats("f").running_ms / 1000))
    S.wake()
    until_notes(5)
    assert(pauses()[4] >= 1 and pauses()[4] <= 1.35, pauses()[4])
  end)

  it("calls one with an interval when that has passed since its end, whatever it throws", function()
    start [[
      local runs = 0
      define("f", 10000, 0, function()
        note()
        runs = runs + 1
        if runs == 1 then wait() end
        error "no"
      end)
    ]]
    background.waiting()
    background.advance(vm, 60000)
    assert.same({ 1, true }, { stats("f").runs, stats("f").running })
    S.wake()
    background.sync(vm)
    background.advance(vm, 9000)
    assert.equal(1, stats("f").runs)
    until_notes(3)
    assert.same({ true, true }, { stats("f").repeats, stats("f").errors >= 2 })
    local pause = pauses()[2]
    assert(pause >= 10 and pause <= 10.1, pause)
  end)

  it("stops one that computes for more than 5 s at a stretch", function()
    start [[define("f", 0, 0, function()
      wait()
      note()
      while true do pcall(function() while true do end end) end
    end)]]
    background.waiting()
    background.advance(vm, 3600 * 1000)
    assert.is_true(stats("f").running)
    S.wake()
    eventually(function() return S.count_notes() == 1 end, 10, "it computes")
    C.clock_advance(4000)
    assert.equal(0, C.worker_stuck(w, C.clock_ms(), 0))
    assert.is_true(stats("f").running)
    C.clock_advance(1100)
    eventually(function() return stats("f").errors == 1 end, 10, "it is stopped")
    assert.equal("the function computed for more than 5 s at a stretch", stats("f").last_error)
  end)

  it("counts no error of a function that ends with its VM, and calls it no more", function()
    start [[
      define("waits", 0, 0, function() wait() end)
      define("fails", 0, 0, function() note() error "no" end)
      define("again", 1, 0, function() note() end)
    ]]
    background.waiting()
    C.worker_quit(w)
    eventually(function() return C.worker_ended(w) == 1 end, 10)
    local calls = S.count_notes()
    assert.same({ 1, 0, false }, { stats("waits").runs, stats("waits").errors,
      stats("waits").running })
    assert.equal(1, C.worker_stop(w, C.clock_ms() + 5000))
    assert.equal(calls, S.count_notes())
    S.wake()
  end)

  describe("of which the node waits", function()
    it("for none, says nothing", function()
      start [[define("f", 0, 0, function() end)]]
      assert.equal(0, C.background_waits(b))
      assert.equal(0, S.count_readies())
    end)

    it("for some, says when the last has returned or failed", function()
      start [[
        define("waits", 0, 60000, function() wait() end)
        define("fails", 0, 60000, function() error "no" end)
        define("other", 0, 0, function() end)
        define("every", 1, 60000, function() end)
      ]]
      background.waiting()
      assert.equal(1, C.background_waits(b))
      assert.equal(0, S.count_readies())
      S.wake()
      background.sync(vm)
      assert.equal(0, C.background_waits(b))
      background.advance(vm, 3600 * 1000)
      assert.equal(1, S.count_readies())
    end)

    it("for too long, says so at the bound", function()
      start [[define("waits", 0, 60000, function() wait() error "no" end)]]
      background.waiting()
      background.advance(vm, 59000)
      assert.equal(0, S.count_readies())
      background.advance(vm, 1001)
      assert.equal(1, S.count_readies())
      assert.is_true(stats("waits").running)
      S.wake()
      background.sync(vm)
      assert.equal(1, S.count_readies())
    end)

    it("says nothing when the VM is told to quit", function()
      start [[define("waits", 0, 60000, function() wait() end)]]
      background.waiting()
      assert.equal(1, C.worker_stop(w, C.clock_ms() + 5000))
      assert.equal(0, S.count_readies())
      S.wake()
    end)
  end)
end)
