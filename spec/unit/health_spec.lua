-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load "peer/health.h"

describe("the health of a peer", function()
  local h, now

  before_each(function()
    h, now = ffi.new "struct health", 1000000
    C.health_init(h, 7, now)
  end)

  local function state()
    return ffi.string(C.health_state_name(h.state))
  end

  local function event(name)
    return C.health_event(h, C["HEALTH_" .. name], now) == 1
  end

  local function pause()
    return tonumber(h.until_ms) - now
  end

  -- Waits for the pause to pass, and probes.
  local function probe(result)
    now = tonumber(h.until_ms)
    assert.equal(1, C.health_probe_is_due(h, now))
    event(result)
  end

  it("is fine at first, and is used", function()
    assert.equal("fine", state())
    assert.equal(1, C.health_is_usable(h))
    assert.is_false(event "ANSWERED")
    assert.is_false(event "ALIVE")
  end)

  it("is ejected by one connection that cannot be made", function()
    assert.is_true(event "REFUSED")
    assert.equal("ejected", state())
    assert.equal(0, C.health_is_usable(h))
  end)

  for _, kind in ipairs { "SILENT", "BROKEN" } do
    it(("is suspect after one %s, and ejected after two in a row"):format(kind), function()
      assert.is_true(event(kind))
      assert.equal("suspect", state())
      assert.equal(1, C.health_is_usable(h))
      assert.is_true(event "ANSWERED")
      assert.equal("fine", state())
      event(kind)
      assert.is_true(event(kind))
      assert.equal("ejected", state())
    end)
  end

  it("lives by any byte after a silence; only a good answer makes up for a broken one", function()
    event "SILENT"
    event "ALIVE"
    assert.equal("fine", state())
    event "BROKEN"
    event "ALIVE"
    assert.equal("suspect", state())
    event "BROKEN"
    assert.equal("ejected", state())
  end)

  it("is probed once its pause has passed, and by nothing else", function()
    event "REFUSED"
    now = tonumber(h.until_ms) - 1
    assert.equal(0, C.health_probe_is_due(h, now))
    assert.is_false(event "ANSWERED") -- of an exchange that began before
    now = now + 1
    assert.equal(1, C.health_probe_is_due(h, now))
    assert.equal("probing", state())
    assert.equal(0, C.health_is_usable(h))
    assert.equal(0, C.health_probe_is_due(h, now)) -- one at a time
    assert.is_false(event "REFUSED")
    assert.is_true(event "PROBED")
    assert.equal("fine", state())
  end)

  it("is used again after one probe if it could not be reached once", function()
    event "REFUSED"
    probe "PROBED"
    assert.equal("fine", state())
  end)

  -- Probes one after another until it is used or ejected again.
  local function probe_on(result)
    local n = 0
    repeat
      probe(result)
      n = n + 1
    until state() ~= "probing"
    return n
  end

  it("must answer five probes over a second if it was silent, or fails again soon", function()
    event "SILENT"
    event "SILENT"
    local began = tonumber(h.until_ms)
    assert.same({ 5, "fine" }, { probe_on "PROBED", state() })
    assert.equal(1000, now - began)
    event "REFUSED"
    assert.equal(5, probe_on "PROBED")
    now = now + 60000
    event "REFUSED"
    assert.equal(1, probe_on "PROBED")
  end)

  it("stays out when one of the probes is late or fails", function()
    for _, result in ipairs { "LATE", "UNANSWERED" } do
      event "SILENT"
      event "SILENT"
      probe "PROBED"
      probe "PROBED"
      assert.is_true(event(result))
      assert.equal("ejected", state())
      assert(pause() >= 2000, pause())
      assert.equal(5, probe_on "PROBED")
      now = now + 60000
    end
  end)

  it("is probed once at a time", function()
    event "SILENT"
    event "SILENT"
    probe "PROBED"
    now = now + 250
    C.health_asked(h, now)
    assert.equal(0, C.health_probe_is_due(h, now))
    C.health_question_ended(h)
    assert.equal(1, C.health_probe_is_due(h, now))
  end)

  it("has 250 ms for a probe, or its patience", function()
    local function verdict(ms)
      return tonumber(C.health_probe_event(h, now, now + ms))
    end
    assert.same({ C.HEALTH_PROBED, C.HEALTH_LATE }, { verdict(999), verdict(1000) })
    for _ = 1, 100 do
      C.health_took(h, now, now + 1)
    end
    assert.same({ C.HEALTH_PROBED, C.HEALTH_LATE }, { verdict(249), verdict(250) })
  end)

  it("pauses for 1 s, twice as long each time, at most 30 s, and up to a fifth more", function()
    event "REFUSED"
    for _, ms in ipairs { 1000, 2000, 4000, 8000, 16000, 30000, 30000 } do
      assert(pause() >= ms and pause() < ms * 1.2, pause() .. " for " .. ms)
      probe "UNANSWERED"
    end
  end)

  it("does not pause longer for a node that says that it is not ready", function()
    event "REFUSED"
    for _ = 1, 5 do
      probe "UNREADY"
      assert.equal("ejected", state())
      assert.equal(1000, pause())
    end
  end)

  it("is ejected by its own word that it is not ready", function()
    assert.is_true(event "UNREADY")
    assert.same({ "ejected", 1000 }, { state(), pause() })
  end)

  it("counts an ejection less for each 10 s in use", function()
    for _ = 1, 3 do -- levels 1 to 3
      event "REFUSED"
      probe_on "PROBED"
    end
    now = now + 20000
    event "REFUSED"
    assert(pause() >= 2000 and pause() < 2400, pause())
  end)

  -- For a minute, so many ms each; how often it failed while it was in use.
  local function flap(failure, ms)
    local caught, start = 0, now
    while now < start + 60000 do
      local up = math.floor((now - start) / ms) % 2 == 0
      if C.health_is_usable(h) == 1 and not up then
        event(failure)
        caught = caught + (state() == "ejected" and 1 or 0)
      elseif C.health_probe_is_due(h, now) == 1 then
        event(up and "PROBED" or "UNANSWERED")
      end
      now = now + 25
    end
    return caught
  end

  it("costs clients one silence in a minute in which it stops each half second", function()
    assert.equal(1, flap("SILENT", 500))
  end)

  it("costs clients two refusals in a minute in which it is gone each half second", function()
    local caught = flap("REFUSED", 500)
    assert(caught == 1 or caught == 2, caught)
  end)

  it("costs few silences while it stops for three seconds of six", function()
    local caught = flap("SILENT", 3000)
    assert(caught >= 1 and caught <= 6, caught)
  end)

  describe("and its silence", function()
    local CHANGED, oldest = ffi.new "int[1]", ffi.new "struct health_load"
    local WAIT, ASK, HEDGE = tonumber(C.HEALTH_WAIT), tonumber(C.HEALTH_ASK),
      tonumber(C.HEALTH_HEDGE)

    before_each(function()
      oldest.since_ms, oldest.time_ms = now, 60000 -- the patience is 1 s
    end)

    -- What is to be done so long after the load was sent.
    local function look(ms)
      now = tonumber(oldest.since_ms) + ms
      local need = tonumber(C.health_look(h, oldest, now, CHANGED))
      if need == ASK then
        C.health_asked(h, now)
      end
      return need
    end

    local function answer()
      C.health_question_ended(h)
      C.health_heard(h, now)
    end

    it("leads to a question after half of the patience, no sooner", function()
      assert.same({ WAIT, ASK, WAIT }, { look(499), look(500), look(999) })
      answer()
      assert.equal(WAIT, look(999))
      assert.equal("fine", state())
    end)

    it("makes it suspect after the patience, and ejects it after one more", function()
      look(500)
      assert.equal(1, C.health_is_usable(h))
      assert.same({ HEDGE, "suspect" }, { look(1000), state() })
      assert.equal(0, C.health_is_usable(h)) -- until it speaks
      assert.equal(500,
        tonumber(C.health_hedge_until_ms(h, oldest, now)) - tonumber(oldest.since_ms))
      assert.same({ HEDGE, "suspect" }, { look(1999), state() })
      assert.same({ HEDGE, "ejected" }, { look(2000), state() })
      assert.equal(now, tonumber(C.health_hedge_until_ms(h, oldest, now)))
    end)

    it("ends with any sign of life", function()
      look(500)
      look(1000)
      assert.equal(1, C.health_heard(h, now + 1))
      assert.same({ "fine", 1 }, { state(), C.health_is_usable(h) })
      assert.equal(WAIT, look(1400))
    end)

    it("ends with its question, which may have been cut", function()
      look(500)
      look(1000)
      event "BROKEN"
      C.health_question_ended(h)
      assert.same({ "suspect", 1 }, { state(), C.health_is_usable(h) })
    end)

    it("of a slow getter costs few questions, and no load is sent elsewhere", function()
      local asked, hedged = 0, 0
      for ms = 0, 60000, 25 do
        local need = look(ms)
        if need == ASK then
          asked = asked + 1
          answer()
        elseif need == HEDGE then
          hedged = hedged + 1
        end
      end
      assert.equal(0, hedged)
      assert(asked >= 10 and asked <= 25, asked)
    end)

    it("is found while a load goes on, not only at its start", function()
      look(500)
      answer()
      local found
      for ms = 525, 5000, 25 do
        found = found or (look(ms) == HEDGE and ms)
      end
      assert(found and found <= 2000, found)
    end)

    it("leaves a load of little time three quarters of it for another node", function()
      oldest.time_ms = 400
      assert.same({ ASK, HEDGE }, { look(50), look(100) })
    end)
  end)

  describe("and its patience", function()
    local function took(ms, times)
      for _ = 1, times or 1 do
        C.health_took(h, now, now + ms)
      end
    end

    local function patience()
      return tonumber(C.health_patience_ms(h))
    end

    it("is 1 s until enough is known", function()
      took(0, 31)
      assert.equal(1000, patience())
      took(0)
      assert.equal(50, patience())
    end)

    it("is three times what 99 in 100 took, from 50 ms to 1 s", function()
      took(40, 990)
      took(900, 9)
      assert.equal(135, patience()) -- 40 is at most 45
      took(900, 9)
      assert.equal(1000, patience())
    end)

    -- The peer stops, and many loads wait for it until it goes on.
    local function silence(ms, loads)
      local oldest, changed = ffi.new "struct health_load", ffi.new "int[1]"
      local since = now
      oldest.since_ms, oldest.time_ms = since, 60000
      while now < since + ms do
        now = now + 25
        if C.health_look(h, oldest, now, changed) == C.HEALTH_ASK then
          C.health_asked(h, now)
        end
      end
      for _ = 1, loads do
        C.health_took(h, since, now)
        C.health_heard(h, now)
      end
      C.health_question_ended(h)
    end

    it("does not grow with the loads that wait for a peer that stops now and then", function()
      took(1, 900)
      for _ = 1, 3 do
        silence(500, 100)
        now = now + 1000
        took(1, 100)
      end
      assert.equal(50, patience())
    end)

    it("grows with a peer that has become slow", function()
      took(1, 900)
      for _ = 1, 5 do
        silence(200, 10)
      end
      assert(patience() >= 600, patience())
    end)

    it("forgets what was long ago", function()
      took(300, 1000)
      assert.equal(999, patience())
      took(1, 10000)
      assert.equal(50, patience())
    end)
  end)
end)
