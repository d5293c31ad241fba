-- SPDX-License-Identifier: MIT

-- Random histories of a group against a model of it in plain tables: every answer, every load that
-- is handed out and every counter must be what the model says, after every step.
--
-- Whether a load would be too late is a matter of milliseconds. So the model takes the group's word
-- for it, if as many loads run as may.
--
-- The model's time goes in steps far longer than the run takes, so that the real clock, which goes
-- on meanwhile, decides nothing.

jit.off(true, true) -- the group calls back into Lua

local engine = require "unit.engine"
local C = engine.C

local STEP_MS = 1000000
local TIMEOUT = 2.5 -- in steps
local MAX_LOADS = 3

-- What a group keeps beyond the ttl, in steps; each history has one of these.
local LIVES = {
  {},
  { negative_ttl = 1.5 },
  { stale_while_revalidate = 1.5 },
  { stale_if_error = 2.5 },
  { negative_ttl = 0.5, stale_while_revalidate = 1.5, stale_if_error = 3.5 },
}

-- Errors that a stale value may stand in for.
local REPLACED = { GETTER = true, PEER = true, TIMEOUT = true, BUSY = true }

local function new_model(remote, life)
  local m = {
    now = 0, main = {}, hot = {}, queue = {}, running = 0, started = {}, closed = false,
    open = { remote = {}, ["local"] = {} }, -- key -> flight
    order = { remote = {}, ["local"] = {} }, -- open flights, oldest first
    stats = { gets = 0, cache_hits = 0, peer_loads = 0, peer_errors = 0, loads = 0,
      loads_deduped = 0, local_loads = 0, local_load_errs = 0, server_requests = 0,
      negative_hits = 0, stale_hits = 0, stale_spared = 0, sets = 0, removes = 0, flushes = 0 },
  }
  local s = m.stats
  local kept_stale = math.max(life.stale_while_revalidate or 0, life.stale_if_error or 0)

  local function count(name, by)
    s[name] = s[name] + (by or 1)
  end

  -- What is held of a key: an entry within its time, and one past it.
  local function find(key)
    local stale
    for _, source in ipairs { "main", "hot" } do
      local e = m[source][key]
      if e and (not e.expires or e.expires > m.now) then
        return { value = e.value, code = e.code, source = source }, stale
      end
      if e and e.value and e.expires + kept_stale > m.now then
        stale = (not stale or stale.expires < e.expires) and e or stale
      end
    end
    return nil, stale
  end

  local function replace(result, stale, callers)
    if not stale or not REPLACED[result.code]
      or m.now >= stale.expires + (life.stale_if_error or 0) then
      return result
    end
    count("stale_hits", callers)
    return { value = stale.value, source = "stale" }
  end

  local function start_queued()
    while not m.closed and m.running < MAX_LOADS and m.queue[1]
      and m.queue[1].deadline > m.now do
      local f = table.remove(m.queue, 1)
      f.state, m.running = "running", m.running + 1
      m.started[#m.started + 1] = f
    end
  end

  local function remove(list, x)
    for i, y in ipairs(list) do
      if y == x then
        return table.remove(list, i)
      end
    end
  end

  local finish

  local function end_flight(f, result)
    if f.kind == "local" and f.state == "running" then
      m.running = m.running - 1
    end
    if f.state == "queued" then
      remove(m.queue, f)
    end
    f.state = "ended"
    if m.open[f.kind][f.key] == f then
      m.open[f.kind][f.key] = nil
    end
    remove(m.order[f.kind], f)
    start_queued()
    for _, w in ipairs(f.waiters) do
      if w.kind then -- a remote flight that fell back
        finish(w, result)
      else
        w.answer = result
      end
    end
    f.waiters = {}
  end

  local function count_end(f, result)
    if f.kind == "local" then
      count(result.value and "local_loads" or "local_load_errs")
    elseif result.source == "peer" then
      count "peer_loads"
    elseif result.code == "TIMEOUT" and not f.fell_back then
      count "peer_errors"
    end
  end

  function finish(f, result)
    if f.state == "ended" then
      return
    end
    count_end(f, result)
    local cache = f.kind == "local" and m.main or m.hot
    if not f.outdated then
      local live, stale = find(f.key)
      if not live and stale and not f.fell_back and REPLACED[result.code] then
        stale.failed = m.now
      end
      result = replace(result, not live and stale, #f.waiters)
      if result.source == (f.kind == "local" and "local" or "peer") then
        cache[f.key] = { value = result.value, expires = result.expires }
      elseif result.code == "NOTFOUND" and not f.fell_back then
        m.main[f.key], m.hot[f.key] = nil, nil
        if f.kind == "local" and life.negative_ttl then
          m.main[f.key] = { code = "NOTFOUND", expires = m.now + life.negative_ttl }
        end
      end
    end
    end_flight(f, result)
  end
  m.finish = finish

  -- refused: the group says that a new load would be too late.
  local function join_or_open(kind, key, waiter, refused)
    local f = m.open[kind][key]
    local opened = not f
    if opened and kind == "local" and refused then
      assert(m.running == MAX_LOADS, "a load was refused that could run")
      return nil
    end
    if opened then
      f = { kind = kind, key = key, waiters = {}, deadline = m.now + TIMEOUT, state = "new" }
      m.open[kind][key] = f
      table.insert(m.order[kind], f)
    end
    f.waiters[#f.waiters + 1] = waiter
    return f, opened
  end

  local function enqueue(f)
    f.state = "queued"
    table.insert(m.queue, f)
    start_queued()
  end

  function m.get(key, from_peer, refused)
    count "gets"
    count("server_requests", from_peer and 1 or 0)
    local w = { key = key }
    local live, stale = find(key)
    if live and live.value then
      count "cache_hits"
      w.answer = live
      return w
    end
    count "loads"
    if live then
      count "negative_hits"
      w.answer = live
      return w
    end
    if stale and stale.failed == m.now then -- a pause is shorter than a step of the clock
      count "stale_hits"
      count "stale_spared"
      w.answer = { value = stale.value, source = "stale" }
      return w
    elseif stale and stale.failed then
      stale.failed = m.now
    end
    local behind = stale and m.now < stale.expires + (life.stale_while_revalidate or 0)
    if behind then
      count "stale_hits"
      w.answer = { value = stale.value, source = "stale" }
    end
    if m.closed then
      w.answer = w.answer or { code = "CLOSED" }
      return w
    end
    local kind = not from_peer and remote(key) and "remote" or "local"
    local f, opened = join_or_open(kind, key, not behind and w or nil, refused)
    if not f then
      w.answer = w.answer or replace({ code = "BUSY" }, stale, 1)
    elseif opened then
      count "loads_deduped"
      if kind == "local" then
        enqueue(f)
      else
        f.state = "running"
        m.started[#m.started + 1] = f
      end
    end
    w.flight = f
    return w
  end

  local function outdate(kind, key)
    if m.open[kind][key] then
      m.open[kind][key].outdated = true
      m.open[kind][key] = nil
    end
  end

  function m.remove(key)
    m.main[key], m.hot[key] = nil, nil
    outdate("local", key)
    outdate("remote", key)
  end

  function m.flush()
    m.main, m.hot = {}, {}
    for _, kind in ipairs { "local", "remote" } do
      for key in pairs(m.open[kind]) do
        m.open[kind][key].outdated = true
      end
      m.open[kind] = {}
    end
  end

  function m.fallback(f, refused)
    if f.state == "ended" then
      return
    end
    count "peer_errors"
    f.fell_back = true
    if m.closed then
      return finish(f, { code = "CLOSED" })
    end
    local l, opened = join_or_open("local", f.key, f, refused)
    if not l then
      finish(f, { code = "BUSY" })
    elseif opened then
      enqueue(l)
    end
  end

  function m.cancel(w)
    if w.answer then
      return false
    end
    remove(w.flight.waiters, w)
    w.cancelled = true
    return true
  end

  local function end_until(deadline, code)
    for _, kind in ipairs { "remote", "local" } do
      while m.order[kind][1] and m.order[kind][1].deadline <= deadline do
        finish(m.order[kind][1], { code = code })
      end
    end
  end

  function m.tick()
    end_until(m.now, "TIMEOUT")
  end

  function m.close()
    m.closed = true
    end_until(math.huge, "CLOSED")
  end

  return m
end

local function history(seed, steps)
  math.randomseed(seed)
  local owned_elsewhere = {}
  local function remote(key)
    return owned_elsewhere[key]
  end
  local life = LIVES[seed % #LIVES + 1]
  local g = engine.group { timeout_ms = TIMEOUT * STEP_MS, max_loads = MAX_LOADS,
    hot = C.HOT_ALWAYS, owner = remote, negative_ttl_ms = (life.negative_ttl or 0) * STEP_MS,
    stale_while_revalidate_ms = (life.stale_while_revalidate or 0) * STEP_MS,
    stale_if_error_ms = (life.stale_if_error or 0) * STEP_MS }
  local m = new_model(remote, life)
  local readers = { g:reader(), g:reader() }
  local pairs_of = {} -- { ticket, model's waiter }, unanswered ones
  local loads = {} -- what the loaders hold, as { load, model's flight }
  local handed = 0

  local function check(ok, what, ...)
    if not ok then
      error(("seed %d: " .. what):format(seed, ...), 2)
    end
  end

  local function same_answer(t, w)
    local a = w.answer
    check(t.wakes == 1, "%q was answered %d times", t.key, t.wakes)
    check(t.value == a.value and t.code == a.code, "%q got %s, not %s", t.key,
      t.value or t.code, a.value or a.code)
    check(not a.value or t.source == a.source, "%q came from %s, not %s", t.key, t.source, a.source)
  end

  local function agree()
    -- The loaders were handed what the model says, in its order.
    check(#g.started == #m.started, "%d loads were started, not %d", #g.started, #m.started)
    while handed < #m.started do
      handed = handed + 1
      local load, f = g.started[handed], m.started[handed]
      check(load.key == f.key and load.kind == f.kind, "load %d is %s %q, not %s %q", handed,
        load.kind, load.key, f.kind, f.key)
      loads[#loads + 1] = { load, f }
    end
    for i = #pairs_of, 1, -1 do
      local t, w = pairs_of[i][1], pairs_of[i][2]
      if w.answer then
        same_answer(t, w)
        table.remove(pairs_of, i)
      else
        check(t.wakes == 0, "%q was answered too early", t.key)
      end
    end
    local s = g:stats()
    for name, want in pairs(m.stats) do
      check(s[name] == want, "%s is %d, not %d", name, s[name], want)
    end
    check(s.flights == #m.order.remote + #m.order["local"], "flights")
    check(s.flights > 0 or s.waiters == 0, "waiters without a flight")
  end

  local function take_load()
    return loads[1] and table.remove(loads, math.random(#loads))
  end

  for step = 1, steps do
    local key, what = "k" .. math.random(40), math.random(110)
    if what <= 45 then
      local from_peer = math.random(3) == 1
      local through = not from_peer and readers[math.random(4)] -- half of them
      local before = g:stats().hopeless
      local t = through and (g:recall(through, key) or g:load(key)) or g:get(key, from_peer)
      local w = m.get(key, from_peer, g:stats().hopeless > before)
      pairs_of[#pairs_of + 1] = { t, w }
    elseif what <= 63 then
      local l = take_load()
      if l then
        -- Never as long in hot as in main: which of two stale ones is newer must not be a matter of
        -- the milliseconds that the run takes.
        local part = l[2].kind == "local" and 0.5 or 0.25
        local lives = math.random(4) > 1 and math.random(1, 3) - part or nil
        local value = "v" .. step
        m.finish(l[2], { value = value, source = l[2].kind == "local" and "local" or "peer",
          expires = lives and m.now + lives })
        g:finish(l[1], value, lives and C.clock_ms() + lives * STEP_MS)
      end
    elseif what <= 71 then
      local l = take_load()
      if l then
        local code = ({ "NOTFOUND", "GETTER", "PEER" })[math.random(3)]
        m.finish(l[2], { code = code })
        g:fail(l[1], code)
      end
    elseif what <= 81 then
      local l = take_load()
      if l and l[2].kind == "remote" then
        local before = g:stats().hopeless
        g:fallback(l[1])
        m.fallback(l[2], g:stats().hopeless > before)
      elseif l then
        loads[#loads + 1] = l
      end
    elseif what <= 85 then
      local p = pairs_of[1] and pairs_of[math.random(#pairs_of)]
      if p then
        check(m.cancel(p[2]) == g:cancel(p[1]), "cancelling %q", p[1].key)
        if p[2].cancelled then
          p[1].cancelled = true
          for i, q in ipairs(pairs_of) do
            if q == p then
              table.remove(pairs_of, i)
              break
            end
          end
        end
      end
    elseif what <= 94 then
      m.now = m.now + 1
      C.clock_advance(STEP_MS)
    elseif what <= 97 then
      m.tick()
      g:tick()
    elseif what <= 101 then
      local lives = math.random(2) == 1 and math.random(1, 3) - 0.5 or nil
      m.remove(key)
      m.main[key] = { value = "set" .. step, expires = lives and m.now + lives }
      m.stats.sets = m.stats.sets + 1
      g:set(key, "set" .. step, lives and lives * STEP_MS)
    elseif what <= 107 then
      local held = m.main[key] or m.hot[key]
      m.remove(key)
      m.stats.removes = m.stats.removes + 1
      check(g:remove(key) or not held or held.expires, "%q was not there to be removed", key)
    elseif what <= 108 then
      m.flush()
      m.stats.flushes = m.stats.flushes + 1
      g:flush()
    else
      owned_elsewhere[key] = not owned_elsewhere[key]
    end
    agree()
  end

  m.close()
  g:close()
  agree()
  check(#pairs_of == 0, "%d gets were never answered", #pairs_of)
  while loads[1] do -- what the loaders bring afterwards changes nothing
    local l = take_load()
    if l[2].kind == "remote" and math.random(2) == 1 then
      m.fallback(l[2])
      g:fallback(l[1])
    else
      g:finish(l[1], "too late")
    end
    agree()
  end
  local started = #g.started
  C.reader_free(readers[1])
  C.reader_free(readers[2])
  g:ended()
  return started
end

describe("a group", function()
  it("does what its model does, over 40000 random events", function()
    local started = 0
    for seed = 1, 20 do
      started = started + history(seed, 2000)
    end
    assert.is_true(started > 2000)
  end)
end)

describe("a group without memory", function()
  after_each(function()
    C.mem_fail_after(-1)
  end)

  -- A bit of everything: fills, joins, fallbacks, peers' requests, errors, evictions.
  local function script(g)
    for round = 1, 3 do
      local base = "k" .. round
      g:get(base)
      g:get(base)
      g:get("r" .. base)
      g:get("r" .. base)
      g:get("r" .. base, true)
      g:get("f" .. base)
      for i = 1, 40 do -- enough that the tables grow
        g:get(base .. "-" .. i)
      end
      while g.loads[1] do
        local load = g.loads[1]
        if load.kind == "remote" and load.key:sub(1, 1) == "r" then
          g:fallback(load)
        elseif load.key:sub(1, 1) == "f" then
          g:fail(load, "GETTER", "no")
        else
          g:finish(load, ("v"):rep(100))
        end
      end
    end
  end

  it("answers everyone, whichever allocation fails", function()
    local n, finished = 0, false
    local refused = {}
    while not finished do
      local g = engine.group { hot = C.HOT_ALWAYS, cache_bytes = 50000,
        owner = function(key) return key:sub(1, 1) ~= "k" end }
      C.mem_fail_after(n)
      script(g)
      for _ = 0, n do -- was the failure still to come?
        local p = C.mem_alloc(1)
        finished = finished or p == nil
        C.mem_free(p)
      end
      C.mem_fail_after(-1)
      for _, t in ipairs(g.tickets) do
        if t.code == "NOMEM" then
          refused[n] = true
        else
          assert(t.code == nil or t.code == "GETTER", t.code)
        end
      end
      g:ended()
      n = n + 1
      assert(n < 10000)
    end
    local count = 0
    for _ in pairs(refused) do
      count = count + 1
    end
    assert.is_true(count > n / 2)
  end)
end)
