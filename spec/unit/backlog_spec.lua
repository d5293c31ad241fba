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
    before_each(function()
      g:ended()
      g = engine.group { timeout_ms = 100000, max_keys = 3 }
    end)

    it("gives a worker all loads that wait, as many as a call takes", function()
      local a, c = sleeper(0), sleeper(1)
      for i = 1, 4 do
        put("k" .. i)
      end
      was_woken(a, c) -- one for each call
      assert.equal(4, tonumber(C.backlog_count(b)))
      assert.equal("k1 k2 k3", take(a))
      put "k5"
      assert.equal("k4 k5", take(c))
      assert.is_nil(take(a))
      put "k6"
      assert.equal(0, C.backlog_rest(b, a))
      assert.equal("k6", take(a))
      assert.equal(0, tonumber(C.backlog_count(b)))
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
