-- SPDX-License-Identifier: MIT

-- Who takes which load. The workers are this spec; schedule_spec.lua plays random histories.

local engine = require "unit.engine"
local ffi = require "ffi"
local unit = require "support.unit"

jit.off(true, true)

local C = unit.load("script/backlog.h", "cache/group.h", "base/clock.h")

describe("the backlog", function()
  local b, g, woken, wake

  before_each(function()
    b, g, woken = C.backlog_new(), engine.group { timeout_ms = 100000 }, {}
    wake = ffi.cast("void (*)(struct taker *)", function(t)
      woken[#woken + 1] = tostring(ffi.cast("void *", t))
    end)
  end)

  after_each(function()
    C.backlog_close(b)
    C.backlog_free(b)
    g:ended()
    wake:free()
  end)

  local function taker(begun)
    local t = ffi.new "struct taker"
    t.wake, t.begun = wake, begun or 0
    return t
  end

  -- A worker that takes loads, and sleeps.
  local function sleeper(begun)
    local t = taker(begun)
    C.backlog_admit(b, t)
    assert.equal(1, C.backlog_rest(b, t))
    return t
  end

  local function put(key)
    g:get(key)
    local load = g.loads[#g.loads]
    assert.equal(1, C.backlog_put(b, load.flight))
  end

  -- -> the keys of the loads that it takes, or nil
  local function take(t)
    local keys = {}
    for _, f in ipairs(engine.taken(b, t)) do
      local key = ffi.string(f.key, f.key_len)
      for _, load in ipairs(g.loads) do
        if load.key == key then
          g:finish(load, "v")
          break
        end
      end
      keys[#keys + 1] = key
    end
    return keys[1] and table.concat(keys, " ")
  end

  local function was_woken(...)
    local names = {}
    for i, t in ipairs { ... } do
      names[i] = tostring(ffi.cast("void *", t))
    end
    assert.same(names, woken)
    woken = {}
  end

  it("wakes a worker that sleeps for each load, whoever has the fewest loads", function()
    local a, c = sleeper(3), sleeper(2)
    put "one"
    was_woken(c)
    put "two"
    was_woken(a)
    put "three" -- nobody sleeps
    was_woken()
    assert.equal(3, tonumber(C.backlog_count(b)))
    assert.equal("one", take(a))
    assert.equal("two", take(c))
    assert.equal("three", take(c))
    assert.is_nil(take(a))
    assert.equal(1, C.backlog_rest(b, a))
  end)

  it("leaves a woken worker the load for which it was woken", function()
    local awake = taker()
    C.backlog_admit(b, awake)
    local other = sleeper()
    put "one"
    was_woken(other)
    assert.is_nil(take(awake))
    assert.equal(1, C.backlog_rest(b, awake))
    assert.equal("one", take(other))
  end)

  it("lets no worker sleep while a load waits that nobody was woken for", function()
    local t = taker()
    C.backlog_admit(b, t)
    put "one"
    assert.equal(0, C.backlog_rest(b, t))
    assert.equal("one", take(t))
    assert.equal(1, C.backlog_rest(b, t))
  end)

  it("wakes another when the woken one takes no more loads", function()
    local a, c = sleeper(0), sleeper(1)
    put "one"
    was_woken(a)
    C.backlog_dismiss(b, a)
    was_woken(c)
    assert.is_nil(take(a))
    assert.equal("one", take(c))
    put "two" -- a is not woken any more
    was_woken()
    assert.equal("two", take(c))
  end)

  it("gives loads that waited to a worker that is admitted while it sleeps", function()
    local t = taker()
    assert.equal(1, C.backlog_rest(b, t))
    put "one"
    was_woken()
    C.backlog_admit(b, t)
    was_woken(t)
    assert.equal("one", take(t))
  end)

  it("gives the oldest load first, and the newest once the oldest has waited for long", function()
    local t = taker()
    C.backlog_admit(b, t)
    for i = 1, 4 do
      put("k" .. i)
    end
    assert.equal("k1", take(t))
    C.clock_advance(60)
    put "k5"
    assert.equal("k5", take(t))
    assert.equal("k4", take(t))
    assert.equal("k3", take(t))
    assert.equal("k2", take(t))
  end)

  describe("of a group with max_keys", function()
    local running -- functions that end the calls that have begun

    before_each(function()
      g:ended()
      g, running = engine.group { timeout_ms = 100000, max_keys = 3 }, {}
    end)

    after_each(function()
      for _, ended in ipairs(running) do
        ended()
      end
    end)

    -- Takes a call, which runs until its end: its keys, and a function that ends it.
    local function begin(t)
      local flights = engine.taken(b, t)
      local keys = {}
      for i, f in ipairs(flights) do
        keys[i] = ffi.string(f.key, f.key_len)
      end
      local function ended()
        for i, f in ipairs(flights) do
          C.backlog_ended(b, f)
          for _, load in ipairs(g.loads) do
            if load.key == keys[i] then
              g:finish(load, "v")
              break
            end
          end
        end
        flights = {} -- nothing more to end
      end
      running[#running + 1] = ended
      return keys[1] and table.concat(keys, " "), ended
    end

    it("gathers loads while a call runs, and gives them to one worker at its end", function()
      local a, c = sleeper(0), sleeper(1)
      put "k1"
      was_woken(a) -- no call runs, so there is nothing to wait for
      local keys, ended = begin(a)
      assert.equal("k1", keys)
      put "k2"
      put "k3"
      was_woken()
      assert.equal(2, tonumber(C.backlog_count(b)))
      assert.equal(1, C.backlog_rest(b, a))
      ended()
      was_woken(a)
      assert.equal("k2 k3", (begin(a)))
      assert.equal(1, C.backlog_rest(b, c))
      assert.equal(0, tonumber(C.backlog_count(b)))
    end)

    it("lets a full call begin beside another", function()
      local a, c = sleeper(0), sleeper(1)
      put "k1"
      local _, ended = begin(a)
      put "k2"
      put "k3"
      put "k4"
      was_woken(a, c)
      assert.equal("k2 k3 k4", (begin(c)))
      ended()
    end)

    it("lets no more calls begin than max_loads", function()
      g:ended()
      g = engine.group { timeout_ms = 100000, max_keys = 2, max_loads = 2 }
      local t = taker()
      C.backlog_admit(b, t)
      put "k1"
      local _, first = begin(t)
      for i = 2, 6 do
        put("k" .. i)
      end
      local keys, second = begin(t)
      assert.equal("k2 k3", keys)
      assert.is_nil((begin(t)))
      first()
      keys, first = begin(t)
      assert.equal("k4 k5", keys)
      assert.is_nil((begin(t)))
      first()
      second()
      C.clock_advance(60)
      C.backlog_look(b)
      assert.equal("k6", (begin(t)))
    end)

    it("does not let a call that hangs hold up the others for long", function()
      local t = taker()
      C.backlog_admit(b, t)
      put "hangs"
      local _, ended = begin(t)
      put "k1"
      assert.is_nil((begin(t)))
      C.clock_advance(110)
      C.backlog_look(b)
      local keys, fine = begin(t)
      assert.equal("k1", keys)
      fine()
      put "k2" -- only the last call counts, so a hanging one costs no second wait
      assert.equal("k2", (begin(t)))
      ended()
    end)

    it("waits a moment for as many keys as the last call had", function()
      local t = taker()
      C.backlog_admit(b, t)
      put "k1"
      local _, ended = begin(t)
      put "k2"
      put "k3"
      ended()
      _, ended = begin(t)
      C.clock_advance(5)
      ended()
      put "k4"
      assert.is_nil((begin(t)))
      put "k5"
      local keys
      keys, ended = begin(t)
      assert.equal("k4 k5", keys)
      C.clock_advance(5)
      ended()
      put "k6"
      assert.is_nil((begin(t)))
      C.clock_advance(5)
      C.backlog_look(b)
      assert.equal("k6", (begin(t)))
    end)

    it("waits for companions as long as the group says", function()
      g:ended()
      g = engine.group { timeout_ms = 100000, max_keys = 3, gather_ms = 1000 }
      local t = taker()
      C.backlog_admit(b, t)
      put "k1"
      put "k2"
      assert.is_nil((begin(t)))
      C.clock_advance(1100)
      C.backlog_look(b)
      assert.equal("k1 k2", (begin(t)))
    end)

    it("ends companions, too, when it is closed", function()
      local tickets = {}
      for i = 1, 2 do
        tickets[i] = g:get("k" .. i)
      end
      local first, second = g.loads[1], g.loads[2]
      g:release(first)
      g:release(second)
      C.backlog_put(b, first.flight)
      C.backlog_put(b, second.flight)
      C.backlog_close(b)
      assert.same({ "CLOSED", "CLOSED" }, { tickets[1].code, tickets[2].code })
    end)

    it("ends loads that are held back when it is closed", function()
      local t = taker()
      C.backlog_admit(b, t)
      put "k1"
      local _, ended = begin(t)
      local tickets = {}
      for i = 1, 2 do
        tickets[i] = g:get("held" .. i)
        local load = g.loads[#g.loads]
        g:release(load)
        C.backlog_put(b, load.flight)
      end
      C.backlog_close(b)
      assert.same({ "CLOSED", "CLOSED" }, { tickets[1].code, tickets[2].code })
      ended()
    end)
  end)

  it("ends what waits when it is closed, and takes nothing more", function()
    local t = g:get "one"
    local load = g.loads[1]
    g:release(load)
    assert.equal(1, C.backlog_put(b, load.flight))
    C.backlog_close(b)
    assert.equal("CLOSED", t.code)
    g:get "two"
    assert.equal(0, C.backlog_put(b, g.loads[1].flight))
  end)
end)
