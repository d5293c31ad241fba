-- SPDX-License-Identifier: MIT

-- How control workers follow each other, and what becomes of one that is stuck in C.

local background = require "unit.background"
local dirent = require "posix.dirent"
local eventually = require "support.eventually"
local ffi = require "ffi"
local C, S = background.C, background.S

local BLOCKS = [[define("blocks", 0, 0, function() block() note() end)]]
local TICKS = [[define("ticks", 1, 0, function() end)]]

-- Threads that run a control worker. Those of other specs come and go.
local function count_workers()
  local n = 0
  for id in dirent.files "/proc/self/task" do
    local f = io.open("/proc/self/task/" .. id .. "/comm")
    n = n + (f and f:read() == "control" and 1 or 0)
    if f then
      f:close()
    end
  end
  return n
end

describe("control", function()
  local c, stopped
  local vm = ffi.new "struct vm_opts"

  setup(function() C.log_set_level(C.LOG_OFF) end)
  teardown(function() C.log_set_level(C.LOG_INFO) end)

  before_each(function()
    eventually(function() return count_workers() == 0 end, 10, "joined threads are gone from /proc")
    S.reset()
    stopped = false
    c = C.control_new(S.ready, nil)
  end)

  after_each(function()
    if not stopped then
      C.control_quit(c)
      assert.equal(1, C.control_stop(c, C.clock_ms() + 5000))
    end
    C.control_free(c)
  end)

  local function take_over(text)
    assert.equal(C.ERR_OK, C.control_take_over(c, background.script(text), vm,
      ffi.new "struct error"))
  end

  local function stats(name)
    return background.seen(C.control_each, c, name)
  end

  it("is ready at once when there is nothing to wait for", function()
    take_over(TICKS)
    assert.equal(1, S.count_readies())
    assert.equal(0, C.control_stuck(c))
  end)

  it("is not ready before what there is to wait for", function()
    take_over [[define("waits", 0, 60000, function() wait() end)]]
    background.waiting()
    assert.equal(0, S.count_readies())
    S.wake()
    eventually(function() return S.count_readies() == 1 end, 10)
  end)

  it("ends what runs before the next begins", function()
    take_over [[define("loops", 0, 0, function() note() while true do pcall(note) end end)]]
    eventually(function() return S.count_notes() > 0 end, 10, "it loops")
    take_over(TICKS)
    local notes = S.count_notes()
    eventually(function() return stats("ticks").runs > 10 end, 10, "the next runs")
    assert.equal(notes, S.count_notes())
    C.control_watch(c, C.clock_ms()) -- frees the first
    assert.is_false(pcall(stats, "loops"))
  end)

  it("notices that its worker is stuck in C, and that it came out", function()
    take_over(BLOCKS)
    eventually(function() return S.is_blocked() == 1 end, 10, "it blocks")
    C.control_watch(c, C.clock_ms())
    assert.equal(0, C.control_stuck(c))
    C.control_watch(c, C.clock_ms() + 6100)
    assert.equal(1, C.control_stuck(c))
    S.unblock()
    eventually(function()
      C.control_watch(c, C.clock_ms())
      return C.control_stuck(c) == 0
    end, 10, "it came out")
  end)

  it("does not wait for a worker that is stuck in C, and frees it when that returns", function()
    take_over(BLOCKS)
    eventually(function() return S.is_blocked() == 1 end, 10, "it blocks")
    take_over(TICKS)
    eventually(function() return stats("ticks").runs > 10 end, 10, "the next runs")
    C.control_watch(c, C.clock_ms())
    assert.equal(1, S.is_blocked())
    assert.equal(2, count_workers())
    S.unblock()
    eventually(function()
      C.control_watch(c, C.clock_ms())
      return count_workers() == 1
    end, 10, "it came out")
    C.control_quit(c)
    assert.equal(1, C.control_stop(c, C.clock_ms() + 5000))
    stopped = true
  end)

  it("can be stopped when no worker has taken over", function()
    C.control_quit(c)
    assert.equal(1, C.control_stop(c, 0))
    stopped = true
    assert.equal(0, S.count_readies())
  end)
end)
