-- SPDX-License-Identifier: MIT

-- Random histories of a crew: the real groups and the real backlog, and workers that do what
-- script/worker.c does, but in simulated time. Getters compute, block, sleep, ask for other keys,
-- loop for ever; clients come, scripts are reloaded, nodes stop.

local engine = require "unit.engine"
local ffi = require "ffi"
local unit = require "support.unit"

jit.off(true, true)

local C = unit.load("script/backlog.h", "cache/group.h", "base/clock.h")

local HISTORIES = unit.rounds(10000)
local TIMEOUT, BURST, SLICE = 1000, 100, 5 -- ms
local LATE = 200 -- ms after its deadline a load has ended
local random = math.random

local function address(pointer)
  return tonumber(ffi.cast("uintptr_t", ffi.cast("void *", pointer)))
end

local takers = {} -- address -> worker
local current -- the history that is played
local on_wake = ffi.cast("void (*)(struct taker *)", function(t)
  local worker = takers[address(t)]
  worker.woken = true
end)

local on_alarm = ffi.cast("void (*)(void *, uint64_t)", function(_, at_ms)
  current.alarm = current.now + tonumber(at_ms - C.clock_ms())
end)

local function check(h, ok, what, ...)
  if not ok then
    error(("seed %d, %d ms: " .. what):format(h.seed, h.now, ...), 0)
  end
end

-- --- getters ---

-- What a getter does: a list of steps.
local function random_steps(h)
  local steps = {}
  for i = 1, random(0, 3) do
    local what = random(20)
    if what <= 7 then
      steps[i] = { "compute", random(4) == 1 and random(300) or random(3) }
    elseif what <= 12 then
      steps[i] = { "sleep", random(200) }
    elseif what <= 17 then
      steps[i] = { "ask", h.groups[random(#h.groups)], "k" .. random(h.keys) }
    elseif what <= 19 then
      steps[i] = { "block", random(400) }
    else
      steps[i] = { "compute", 1e9 }
    end
  end
  return steps
end

local function end_task(h, task, code)
  local load = task.load
  task.ended = true
  task.worker.tasks[task] = nil
  task.worker.taker.begun = task.worker.taker.begun - 1
  h.loads[address(load.flight)] = nil
  if load.flight.call ~= nil then
    C.backlog_ended(h.backlog, load.flight)
  end
  if code then
    load.group:fail(load, code)
  else
    load.group:finish(load, "v")
  end
end

-- The worker computes, or blocks, for so long, and does nothing else.
local function busy(ms)
  coroutine.yield(ms)
end

local function wait(task, for_what)
  C.group_places_move(task.load.flight, for_what)
end

-- -> "waits" or nil, to go on
local function ask(h, task, g, key)
  wait(task, C.FLIGHT_ASKING)
  local t = g:load(key, false, task.load)
  h.asked = h.asked + 1
  if t.wakes ~= 0 then
    wait(task, C.FLIGHT_RUNNING)
    return nil
  end
  t.on_wake = function()
    table.insert(task.worker.inbox, task)
  end
  task.asks = { g, t }
  return "waits"
end

local function set_aside(h, task)
  h.asides = h.asides + 1
  table.insert(task.worker.aside, task)
end

-- Returns when the getter waits, has ended or is set aside.
local function run(h, task, allowance)
  if task.ended then
    return
  end
  task.asks = nil
  wait(task, C.FLIGHT_RUNNING)
  while true do
    local step = task.steps[task.at]
    if h.now >= task.load.deadline then
      return end_task(h, task, "TIMEOUT")
    elseif h.stopped then
      return end_task(h, task, "CLOSED")
    elseif not step then
      return end_task(h, task, random(8) == 1 and "GETTER" or nil)
    end
    if step[1] == "compute" then
      local ms = math.min(step[2], allowance, task.load.deadline - h.now)
      busy(ms)
      allowance, step[2] = allowance - ms, step[2] - ms
      if step[2] > 0 and allowance <= 0 then
        return set_aside(h, task)
      end
      task.at = task.at + (step[2] > 0 and 0 or 1)
    else
      task.at = task.at + 1
      if step[1] == "block" then
        busy(step[2])
      elseif step[1] == "sleep" then
        wait(task, C.FLIGHT_WAITING)
        table.insert(h.timers, { at = h.now + step[2], task = task })
        return
      elseif ask(h, task, step[2], step[3]) then
        return
      end
    end
  end
end

-- --- workers ---

local function take(h, w)
  w.woken = false
  local tasks = {}
  local flights = engine.taken(h.backlog, w.taker)
  for i, f in ipairs(flights) do
    w.taker.begun = w.taker.begun + 1
    h.loads[address(f)].call_ends = flights[1].deadline_ms
    tasks[i] = { worker = w, load = h.loads[address(f)], steps = random_steps(h), at = 1 }
    w.tasks[tasks[i]] = true
  end
  return tasks
end

-- Tasks that wait end at their deadline, by a timer.
local function end_late(h, w)
  local late = {}
  for task in pairs(w.tasks) do
    if h.now >= task.load.deadline then
      late[#late + 1] = task
    end
  end
  for _, task in ipairs(late) do
    if task.asks then
      local g, t = task.asks[1], task.asks[2]
      t.cancelled = g:cancel(t)
    end
    end_task(h, task, "TIMEOUT")
  end
end

local function rounds(h, w)
  repeat
    local since = h.now
    repeat
      local tasks = take(h, w)
      for _, task in ipairs(tasks) do
        run(h, task, BURST)
      end
    until not tasks[1] or h.now > since
    for _ = 1, #w.inbox do
      run(h, table.remove(w.inbox, 1), BURST)
    end
    end_late(h, w)
    if w.aside[1] then
      run(h, table.remove(w.aside, 1), SLICE)
    end
    local ends = h.stopped or (w.retires and not next(w.tasks))
    if not ends and not w.aside[1] and C.backlog_rest(h.backlog, w.taker) == 1 then
      w.sleeps = true
      coroutine.yield()
      w.sleeps = false
    end
  until ends
  w.ended = true
end

local function add_worker(h)
  local w = { taker = ffi.new "struct taker", inbox = {}, aside = {}, tasks = {}, at = 0 }
  w.taker.wake = on_wake
  takers[address(w.taker)] = w
  w.thread = coroutine.create(rounds)
  table.insert(h.workers, w)
  return w
end

local function has_late(h, w)
  for task in pairs(w.tasks) do
    if h.now >= task.load.deadline then
      return true
    end
  end
  return false
end

local function can_go(h, w)
  if w.sleeps then
    return w.woken or w.inbox[1] or h.stopped or (w.retires and not next(w.tasks)) or has_late(h, w)
  end
  return not w.ended and w.at <= h.now
end

-- --- what must hold after every step ---

-- Loads that may not begin yet, as their calls gather.
local function held_back(h)
  local n = 0
  for _, load in pairs(h.max_keys > 1 and h.loads or {}) do
    if load.flight.held == 1 then
      n = n + 1 + load.flight.n_companions
    end
  end
  check(h, n == 0 or h.alarm, "%d loads are held back, and no alarm is set", n)
  return n
end

local function check_workers(h)
  local idle, woken = 0, 0
  for _, w in ipairs(h.workers) do
    woken = woken + (w.woken and 1 or 0)
    idle = idle + (w.sleeps and not w.woken and not w.retires and 1 or 0)
  end
  local n = tonumber(C.backlog_count(h.backlog)) - held_back(h)
  check(h, idle == 0 or n <= woken * h.max_keys, "%d loads wait while %d workers sleep", n, idle)
end

local stats = ffi.new "struct stats"

-- -> nil, or what does not hold
local function misplaced(h)
  local n = {}
  for _, g in ipairs(h.groups) do
    n[g] = { running = 0, waiting = 0, handed = 0, calls = {}, n_calls = 0 }
  end
  for _, load in pairs(h.loads) do
    local of, state = n[load.group], load.flight.state
    of.running = of.running + (state == C.FLIGHT_RUNNING and 1 or 0)
    of.waiting = of.waiting + (state == C.FLIGHT_WAITING and 1 or 0)
    of.handed = of.handed + (state ~= C.FLIGHT_ENDED and 1 or 0)
    local call = load.flight.call ~= nil and C.clock_ms() < (load.call_ends or 0)
      and address(load.flight.call)
    if call and not of.calls[call] then
      of.calls[call], of.n_calls = true, of.n_calls + 1
    end
    if state ~= C.FLIGHT_ENDED and h.now > load.deadline + LATE then
      return ("a load is %d ms late"):format(h.now - load.deadline)
    end
  end
  for g, of in pairs(n) do
    C.group_stats(g.c, stats)
    local queued = tonumber(stats.flights) - of.handed
    local places = h.max_keys > 1 and math.huge or g.max_loads
    if of.n_calls > g.max_loads then
      return ("%d calls run, and %d may"):format(of.n_calls, g.max_loads)
    elseif queued ~= 0 and of.running < places and of.running + of.waiting < g.max_waiting then
      return ("%d loads are queued while %d run and %d wait"):format(queued, of.running, of.waiting)
    end
  end
end

local function go(h, w)
  local ok, ms = coroutine.resume(w.thread, h, w)
  check(h, ok, "%s", tostring(ms))
  w.at = h.now + (ms or 0)
  check_workers(h)
end

local function able_workers(h)
  local able = {}
  for _, w in ipairs(h.workers) do
    if can_go(h, w) then
      able[#able + 1] = w
    end
  end
  return able
end

-- Lets the workers go on, in a random order, until none can at this time. A queued load that is
-- late holds up the others until the tick.
local function settle(h)
  local able, ticks, wrong = able_workers(h), 0
  repeat
    while able[1] do
      go(h, able[random(#able)])
      able = able_workers(h)
    end
    for _, g in ipairs(h.groups) do
      g:tick()
    end
    able, ticks, wrong = able_workers(h), ticks + 1, misplaced(h)
  until not able[1] and (not wrong or ticks > 10)
  check(h, not wrong, "%s", wrong)
end

-- --- what happens ---

local function fire_timers(h)
  for i = #h.timers, 1, -1 do
    if h.timers[i].at <= h.now then
      local task = table.remove(h.timers, i).task
      table.insert(task.worker.inbox, task)
    end
  end
end

local function advance(h, ms)
  while ms > 0 do
    local step = math.min(ms, 50)
    for _, w in ipairs(h.workers) do
      if not w.sleeps and not w.ended and w.at > h.now then
        step = math.min(step, w.at - h.now)
      end
    end
    for _, timer in ipairs(h.timers) do
      step = math.min(step, math.max(1, timer.at - h.now))
    end
    if h.alarm then
      step = math.min(step, math.max(1, h.alarm - h.now))
    end
    C.clock_advance(step)
    h.now, ms = h.now + step, ms - step
    fire_timers(h)
    if h.alarm and h.alarm <= h.now then
      h.alarm = nil
      C.backlog_look(h.backlog)
    end
    settle(h)
  end
end

local function client(h)
  local t = h.groups[random(#h.groups)]:load("k" .. random(h.keys))
  local asked = h.now
  h.clients = h.clients + 1
  if t.wakes == 0 then
    t.on_wake = function()
      local took = h.now - asked
      check(h, took <= TIMEOUT + LATE, "a load took %d ms", took)
    end
  end
end

local function reload(h)
  local old = h.workers
  h.workers = {}
  for _, w in ipairs(old) do
    if not w.ended then
      table.insert(h.workers, w)
      if not w.retires then
        w.retires, w.woken = true, false
        C.backlog_dismiss(h.backlog, w.taker)
        C.backlog_admit(h.backlog, add_worker(h).taker)
      end
    end
  end
end

local function new_group(h)
  local g = engine.group { timeout_ms = TIMEOUT, cache_bytes = 0,
    max_loads = random(4), max_keys = h.max_keys,
    max_waiting = random(4) == 1 and random(4) or 1000 }
  local o = C.group_opts(g.c)
  g.max_loads, g.max_waiting = tonumber(o.max_loads), tonumber(o.max_waiting)
  g.on_load = function(load)
    load.group = g
    load.deadline = h.now + tonumber(load.flight.deadline_ms - C.clock_ms())
    h.loads[address(load.flight)] = load
    assert(C.backlog_put(h.backlog, load.flight) == 1)
  end
  return g
end

-- The loads that no worker has begun: the backlog frees them.
local function forget_unbegun(h)
  local begun = {}
  for _, w in ipairs(h.workers) do
    for task in pairs(w.tasks) do
      begun[task.load] = true
    end
  end
  for at, load in pairs(h.loads) do
    h.loads[at] = begun[load] and load or nil
  end
end

local function stop(h)
  h.stopped = true
  for _, g in ipairs(h.groups) do
    g:close()
  end
  for _, w in ipairs(h.workers) do
    C.backlog_dismiss(h.backlog, w.taker)
  end
  forget_unbegun(h)
  C.backlog_close(h.backlog)
  advance(h, 500) -- as long as one may block
  for _, w in ipairs(h.workers) do
    for task in pairs(w.tasks) do
      end_task(h, task, "CLOSED")
    end
  end
  for _, g in ipairs(h.groups) do
    g:ended()
  end
  C.backlog_free(h.backlog)
end

local function history(seed)
  math.randomseed(seed)
  local h = { seed = seed, now = 0, workers = {}, timers = {}, loads = {}, groups = {},
    keys = random(3, 30), clients = 0, asked = 0, asides = 0,
    max_keys = random(4) == 1 and 3 or 1, backlog = C.backlog_new() }
  current = h
  C.backlog_on_alarm(h.backlog, on_alarm, nil)
  for i = 1, random(2) do
    h.groups[i] = new_group(h)
  end
  for _ = 1, random(4) do
    C.backlog_admit(h.backlog, add_worker(h).taker)
  end
  settle(h)
  for _ = 1, random(30) do
    local what = random(20)
    if what <= 13 then
      client(h)
      if random(4) > 1 then -- else more comes before the workers have woken
        settle(h)
      end
    elseif what <= 19 then
      advance(h, random(4) == 1 and random(300) or random(10))
    else
      reload(h)
      settle(h)
    end
  end
  if random(2) == 1 then -- all that was begun comes to its end
    local until_ms = h.now + 20 * TIMEOUT -- loads that ask for others, one after the other
    while next(h.loads) and h.now < until_ms do
      advance(h, 100)
    end
    check(h, next(h.loads) == nil, "a load has not ended")
  end
  stop(h)
  for _, w in ipairs(h.workers) do
    takers[address(w.taker)] = nil
  end
  return h
end

describe("a crew", function()
  before_each(function() C.clock_hold(true) end)

  after_each(function() C.clock_hold(false) end)

  it(("lets no load wait without need, over %d random histories"):format(HISTORIES), function()
    local clients, asked, asides = 0, 0, 0
    for seed = 1, HISTORIES do
      local h = history(seed)
      clients, asked, asides = clients + h.clients, asked + h.asked, asides + h.asides
    end
    assert(clients > 5 * HISTORIES and asked > HISTORIES and asides > HISTORIES,
      ("%d clients, %d asked, %d set aside"):format(clients, asked, asides))
  end)
end)
