-- SPDX-License-Identifier: MIT

jit.off(true, true) -- the group calls back into Lua

local ffi = require "ffi"
local key_ref = require "unit.key_ref"
local engine = require "unit.engine"
local C = engine.C

local function everything_remote()
  return true
end

describe("group", function()
  local g

  local function begin(opts)
    g = engine.group(opts)
    return g
  end

  after_each(function()
    C.mem_fail_after(-1)
    if g then
      local last = g
      g = nil
      last:ended()
    end
  end)

  -- A value in the cache, loaded as a client would.
  local function fill(key, value, expires)
    local t = g:get(key)
    assert.equal(0, t.wakes)
    g:finish(g.loads[#g.loads], value or "v:" .. key, expires)
    return t
  end

  local function counters(want)
    local s = g:stats()
    for name, value in pairs(want) do
      assert(s[name] == value, ("%s is %s, not %s"):format(name, s[name], value))
    end
  end

  it("keeps what it was made with", function()
    begin { name = "avatars", ttl_ms = 5, cache_bytes = 12345678 }
    assert.equal("avatars", ffi.string(C.group_name(g.c)))
    assert.equal("text/plain", ffi.string(C.group_content_type(g.c)))
    assert.equal(5ULL, C.group_opts(g.c).ttl_ms)
    assert.equal(12345678ULL, C.group_opts(g.c).cache_bytes)
  end)

  describe("loads a key", function()
    it("once, for however many ask while it loads", function()
      begin()
      local tickets = {}
      for i = 1, 50 do
        tickets[i] = g:get "k"
      end
      assert.equal(1, #g.loads)
      assert.equal("local", g.loads[1].kind)
      counters { flights = 1, waiters = 50 }
      g:finish(g.loads[1], "value")
      for _, t in ipairs(tickets) do
        assert.equal(1, t.wakes)
        assert.equal("value", t.value)
        assert.equal("local", t.source)
      end
      counters { gets = 50, loads = 50, loads_deduped = 1, local_loads = 1, cache_hits = 0,
        flights = 0, waiters = 0 }
    end)

    it("and answers from main from then on", function()
      begin()
      fill("k", "value")
      local t = g:get "k"
      assert.is_true(t.hit)
      assert.equal("value", t.value)
      assert.equal("main", t.source)
      assert.equal(1, #g.started)
      counters { gets = 2, cache_hits = 1, loads = 1 }
    end)

    it("with NUL bytes in it, or none at all", function()
      begin()
      for _, key in ipairs { "", "\0", "\0\0", "a\0b" } do
        fill(key)
        assert.equal("v:" .. key, g:get(key).value)
      end
      assert.equal(4, #g.started)
    end)

    it("to an empty value, which is a value", function()
      begin()
      assert.equal("", fill("k", "").value)
      assert.equal("", g:get("k").value)
    end)

    it("at once, when the loader ends before it returns", function()
      begin()
      g.on_load = function(load)
        g:finish(load, "quick")
      end
      local t = g:get "k"
      assert.equal(1, t.wakes)
      assert.equal("quick", t.value)
      assert.is_true(g:get("k").hit)
    end)

    it("that another flight brought between lookup and load without a new one", function()
      begin()
      fill "k"
      local t = g:load "k" -- its lookup was before the fill
      assert.is_true(t.now)
      assert.equal("v:k", t.value)
      assert.equal("main", t.source)
      counters { gets = 1, loads = 2, loads_deduped = 1, cache_hits = 1 }
    end)

    it("beside other keys", function()
      begin()
      local tickets = {}
      for i = 1, 500 do
        tickets[i] = g:get("k" .. i % 100)
      end
      assert.equal(100, #g.loads)
      for i = 100, 1, -1 do
        g:finish(g.loads[i], "v:" .. g.loads[i].key)
      end
      for _, t in ipairs(tickets) do
        assert.equal("v:" .. t.key, t.value)
      end
    end)

    it("again for a waiter that asks anew while it is woken", function()
      begin { cache_bytes = 0 } -- keeps nothing, so the second get is a load as well
      local again
      local t = g:get "k"
      t.on_wake = function()
        again = g:get "k"
      end
      g:finish(g.loads[1], "one")
      assert.equal("one", t.value)
      assert.equal(0, again.wakes)
      g:finish(g.loads[1], "two")
      assert.equal("two", again.value)
    end)
  end)

  describe("when a load fails", function()
    it("tells everyone who waits, and loads again for the next", function()
      begin()
      local a, b = g:get "k", g:get "k"
      g:fail(g.loads[1], "GETTER", "the database is away")
      for _, t in ipairs { a, b } do
        assert.equal("GETTER", t.code)
        assert.equal("the database is away", t.text)
      end
      counters { local_load_errs = 1, local_loads = 0 }
      assert.equal("v:k", fill("k").value)
      assert.equal(2, #g.started)
    end)

    it("with NOTFOUND keeps nothing", function()
      begin()
      local a = g:get "k"
      g:fail(g.loads[1], "NOTFOUND")
      assert.equal("NOTFOUND", a.code)
      counters { local_load_errs = 1 }
      assert.equal(0, g:stats().main.items)
      g:get "k"
      assert.equal(2, #g.started)
    end)
  end)

  describe("a key of another node", function()
    it("is asked for there, and the answer counted", function()
      begin { owner = everything_remote, hot = C.HOT_NEVER }
      local a, b = g:get "k", g:get "k"
      assert.equal(1, #g.loads)
      assert.equal("remote", g.loads[1].kind)
      g:finish(g.loads[1], "theirs")
      assert.equal("theirs", a.value)
      assert.equal("peer", a.source)
      assert.equal("theirs", b.value)
      counters { loads = 2, loads_deduped = 1, peer_loads = 1, local_loads = 0, peer_errors = 0 }
    end)

    it("is kept in hot when the group says always", function()
      begin { owner = everything_remote, hot = C.HOT_ALWAYS }
      fill "k"
      local t = g:get "k"
      assert.equal("hot", t.source)
      assert.equal("v:k", t.value)
      assert.equal(0, g:stats().main.items)
    end)

    it("is kept nowhere when the group says never", function()
      begin { owner = everything_remote, hot = C.HOT_NEVER }
      for i = 1, 1000 do
        fill("k" .. i)
      end
      assert.equal(0, g:stats().hot.items)
      assert.equal(0, g:stats().main.items)
    end)

    it("is kept in hot about once in ten times by default", function()
      begin { owner = everything_remote }
      local n = 60000
      g.on_load = function(load)
        g:finish(load, "v")
      end
      for i = 1, n do
        g:get("k" .. i)
      end
      -- Seven standard deviations of a fair draw: a correct sampler leaves them once in 10^11 runs.
      local sigma = math.sqrt(n * 0.1 * 0.9)
      local kept = g:stats().hot.items
      assert.is_true(math.abs(kept - n / 10) < 7 * sigma)
      counters { peer_loads = n }
    end)

    it("is loaded here when the group is local only", function()
      begin { owner = everything_remote, local_only = 1 }
      fill "k"
      assert.equal("local", g.started[1].kind)
    end)

    it("is loaded here when a peer asks for it: a request is never passed on", function()
      begin { owner = everything_remote }
      local t = g:get("k", true)
      assert.equal("local", g.loads[1].kind)
      assert.is_true(g.loads[1].from_peer)
      g:finish(g.loads[1], "v")
      assert.equal("v", t.value)
      counters { server_requests = 1, gets = 1, local_loads = 1 }
    end)

    it("gives its owner back when the load was not needed", function()
      begin { owner = everything_remote, hot = C.HOT_ALWAYS }
      fill "k"
      assert.equal("hot", g:load("k").source) -- ended() counts the references
      g:get "x"
      g:get "x" -- joins
      assert.equal(1, #g.loads)
    end)

    it("that its owner says is not there, or cannot be loaded, is not loaded here", function()
      begin { owner = everything_remote }
      for _, code in ipairs { "NOTFOUND", "GETTER", "TIMEOUT" } do
        local t = g:get "k"
        g:fail(g.loads[1], code)
        assert.equal(code, t.code)
      end
      assert.equal(3, #g.started)
      counters { local_loads = 0, local_load_errs = 0 }
    end)
  end)

  describe("a peer's request", function()
    it("never joins a flight that may wait on a peer", function()
      begin { owner = everything_remote }
      local ours = g:get "k"
      local theirs = g:get("k", true)
      assert.equal(2, #g.loads)
      assert.equal("remote", g.loads[1].kind)
      assert.equal("local", g.loads[2].kind)
      g:finish(g.loads[2], "mine")
      assert.equal("mine", theirs.value)
      assert.equal(0, ours.wakes)
      g:finish(g.loads[1], "theirs")
      assert.equal("theirs", ours.value)
    end)

    it("joins a flight that runs our getter, whoever opened it", function()
      begin()
      local a = g:get "k"
      local b = g:get("k", true)
      local c = g:get "k"
      assert.equal(1, #g.loads)
      g:finish(g.loads[1], "v")
      assert.equal("v", a.value)
      assert.equal("v", b.value)
      assert.equal("v", c.value)
    end)
  end)

  describe("when the owner cannot be used", function()
    it("our getter answers everyone, once, and main keeps the value", function()
      begin { owner = everything_remote }
      local a, b = g:get "k", g:get "k"
      g:fallback(g.loads[1])
      assert.equal(1, #g.loads)
      assert.equal("local", g.loads[1].kind)
      assert.equal("k", g.loads[1].key)
      assert.equal(0, a.wakes)
      g:finish(g.loads[1], "mine")
      for _, t in ipairs { a, b } do
        assert.equal("mine", t.value)
        assert.equal("local", t.source)
      end
      assert.equal("main", g:get("k").source)
      assert.equal(0, g:stats().hot.items)
      counters { peer_errors = 1, peer_loads = 0, local_loads = 1, loads = 2, loads_deduped = 1,
        flights = 0, waiters = 0 }
    end)

    it("those who come meanwhile are answered by the same getter", function()
      begin { owner = everything_remote }
      local client = g:get "k"
      g:fallback(g.loads[1])
      local peer, late = g:get("k", true), g:get "k"
      assert.equal(1, #g.loads)
      g:finish(g.loads[1], "mine")
      for _, t in ipairs { client, peer, late } do
        assert.equal("mine", t.value)
      end
      assert.equal(2, #g.started) -- one remote, one local
    end)

    it("it joins the getter that a peer's request has started", function()
      begin { owner = everything_remote }
      local client = g:get "k"
      local peer = g:get("k", true)
      g:fallback(g.loads[1])
      assert.equal(1, #g.loads)
      g:finish(g.loads[1], "mine")
      assert.equal("mine", client.value)
      assert.equal("mine", peer.value)
      assert.equal(2, #g.started)
      counters { local_loads = 1 }
    end)

    it("and our getter fails as well, everyone hears of the getter", function()
      begin { owner = everything_remote }
      local a = g:get "k"
      g:fallback(g.loads[1])
      g:fail(g.loads[1], "GETTER", "no luck")
      assert.equal("GETTER", a.code)
      assert.equal("no luck", a.text)
      counters { peer_errors = 1, local_load_errs = 1 }
    end)

    it("once the flight has ended, nothing is started for nobody", function()
      begin { owner = everything_remote, timeout_ms = 100 }
      local a = g:get "k"
      C.clock_advance(101)
      g:tick()
      assert.equal("TIMEOUT", a.code)
      g:fallback(g.loads[1])
      assert.equal(1, #g.started)
      counters { peer_errors = 1, flights = 0 }
    end)

    it("the wait ends at the first flight's deadline, the getter goes on to its own", function()
      begin { owner = everything_remote, timeout_ms = 100000 }
      local a = g:get "k"
      C.clock_advance(50000)
      g:fallback(g.loads[1])
      local late = g:get("k", true)
      C.clock_advance(50001)
      g:tick()
      assert.equal("TIMEOUT", a.code)
      assert.equal(0, late.wakes)
      counters { flights = 1 }
      g:finish(g.loads[1], "mine")
      assert.equal("mine", late.value)
      assert.equal(1, a.wakes)
    end)
  end)

  describe("at a deadline", function()
    it("tells everyone, and what comes later is dropped", function()
      begin { timeout_ms = 1000 }
      local a, b = g:get "k", g:get "k"
      g:tick()
      assert.equal(0, a.wakes)
      C.clock_advance(1001)
      g:tick()
      for _, t in ipairs { a, b } do
        assert.equal("TIMEOUT", t.code)
        assert.is_truthy(t.text:find "1 s")
      end
      counters { local_load_errs = 1, flights = 0, waiters = 0 }
      g:finish(g.loads[1], "too late")
      assert.equal(1, a.wakes)
      counters { local_loads = 0 }
      assert.equal(0, g:stats().main.items)
    end)

    it("ends the late flights and no others", function()
      begin { timeout_ms = 100000 }
      local a = g:get "a"
      C.clock_advance(60000)
      local b = g:get "b"
      C.clock_advance(60000)
      g:tick()
      assert.equal("TIMEOUT", a.code)
      assert.equal(0, b.wakes)
      C.clock_advance(60000)
      g:tick()
      assert.equal("TIMEOUT", b.code)
    end)

    it("lets a new flight open for the key while the old getter still runs", function()
      begin { timeout_ms = 1000 }
      local a = g:get "k"
      C.clock_advance(1001)
      g:tick()
      local b = g:get "k"
      assert.equal(2, #g.loads)
      g:finish(g.loads[1], "old") -- ends nothing: its flight is over
      assert.equal(0, b.wakes)
      g:finish(g.loads[1], "new")
      assert.equal("TIMEOUT", a.code)
      assert.equal("new", b.value)
    end)
  end)

  describe("whose loads wait their turn", function()
    local function busy(t)
      assert.equal("BUSY", t.code)
      assert.is_true(t.now)
      assert.matches("loads wait before this one", t.text)
    end

    it("refuses those that would not end in time, by the time that its loads take", function()
      begin { max_loads = 1, timeout_ms = 1000 }
      g:get "first"
      C.clock_advance(300)
      g:finish(g.loads[1], "v")
      g:get "runs"
      local waits = g:get "one" -- 300 ms, and 300 of its own
      busy(g:get "two")
      assert.equal(1, g:stats().hopeless)
      assert.equal(2, g:stats().flights)
      g:finish(g.loads[1], "v")
      g:finish(g.loads[1], "v")
      assert.equal(1, waits.wakes)
    end)

    it("knows of loads that hang before any has ended", function()
      begin { max_loads = 2, timeout_ms = 1000 }
      g:get "a"
      g:get "b"
      local flood = {}
      for i = 1, 20 do
        flood[i] = g:get("at once" .. i)
        assert.is_nil(flood[i].now) -- nothing is known yet
      end
      C.clock_advance(500)
      busy(g:get "later")
      C.clock_advance(600)
      g:tick()
      for _, t in ipairs(flood) do
        assert.equal(1, t.wakes)
      end
    end)

    it("forgets slow times as loads get faster", function()
      begin { max_loads = 1, timeout_ms = 1000 }
      g:get "slow"
      C.clock_advance(900)
      g:finish(g.loads[1], "v")
      g:get "runs"
      busy(g:get "waits")
      g:finish(g.loads[1], "v")
      for i = 1, 30 do
        g:get("fast" .. i)
        g:finish(g.loads[1], "v")
      end
      g:get "runs again"
      assert.is_nil(g:get("waits again").now)
      g:finish(g.loads[1], "v")
      g:finish(g.loads[1], "v")
    end)

    it("gives a stale value instead of a refusal", function()
      begin { max_loads = 1, timeout_ms = 1000, ttl_ms = 1000, ttl_jitter = 0,
        stale_if_error_ms = 100000 }
      g:get "k"
      C.clock_advance(900)
      g:finish(g.loads[1], "old", C.clock_ms() + 1000)
      C.clock_advance(2000)
      g:get "runs"
      local t = g:get "k"
      assert.equal("old", t.value)
      assert.equal("stale", t.source)
      g:finish(g.loads[1], "v")
    end)
  end)

  describe("a load anew", function()
    it("brings a new value though one is held, once for all who ask", function()
      begin()
      fill("k", "old")
      assert.is_true(g:get("k").hit)
      counters { gets = 2, cache_hits = 1, loads = 1 }
      assert.is_true(g:get("k").hit) -- the lookup before the load
      local first, second = g:load("k", false, nil, true), g:load("k", false, nil, true)
      assert.equal(0, first.wakes + second.wakes)
      assert.equal("old", g:get("k").value)
      g:finish(g.loads[1], "new")
      assert.same({ "new", "new" }, { first.value, second.value })
      assert.equal("new", g:get("k").value)
      counters { loads = 3, loads_deduped = 2 }
    end)

    it("goes to the owner of the key", function()
      begin { owner = everything_remote, hot = C.HOT_ALWAYS }
      fill("k", "old")
      local t = g:load("k", false, nil, true)
      assert.equal("remote", g.loads[1].kind)
      g:finish(g.loads[1], "new")
      assert.equal("new", t.value)
      assert.equal("new", g:get("k").value)
    end)

    it("that fails leaves the value that is held", function()
      begin()
      fill("k", "old")
      local t = g:load("k", false, nil, true)
      g:fail(g.loads[1], "GETTER")
      assert.equal("GETTER", t.code)
      assert.equal("old", g:get("k").value)
    end)

    it("in the background wakes nobody, and is one", function()
      begin()
      fill("k", "old")
      local none = ffi.new "struct waiter"
      for _ = 1, 3 do
        C.group_load_behind(g.c, key_ref("k", engine.hash "k"), 0, none)
      end
      assert.equal(1, #g.loads)
      g:finish(g.loads[1], "new")
      assert.equal("new", g:get("k").value)
    end)
  end)

  describe("of an HTTP cache, and any other", function()
    it("a newer copy replaces an older one whatever hot says", function()
      for _, http in ipairs { C.HTTP_CACHE, 0 } do
        begin { owner = everything_remote, hot = C.HOT_ALWAYS, http = http }
        fill("k", "a")
        local texts = ffi.new("struct group_texts", "text/plain", "", "", "")
        local opts = ffi.new("struct group_opts[1]", { C.group_opts(g.c) })
        opts[0].hot = C.HOT_NEVER
        C.group_configure(g.c, texts, opts)
        assert.equal(http, C.group_http(g.c))
        g:load("k", false, nil, true)
        g:finish(g.loads[1], "b")
        assert.equal("b", g:get("k").value)
        g:ended()
        g = nil
      end
    end)
  end)

  describe("with max_loads getters running", function()
    it("queues the next ones and starts them in order", function()
      begin { max_loads = 2 }
      local tickets = {}
      for i = 1, 5 do
        tickets[i] = g:get("k" .. i)
      end
      assert.equal(2, #g.loads)
      counters { flights = 5, waiters = 5, loads_deduped = 5 }
      local joined = g:get "k4" -- a queued flight is joined like any other
      local order = {}
      while g.loads[1] do
        order[#order + 1] = g.loads[1].key
        g:finish(g.loads[1], "v:" .. g.loads[1].key)
        assert.is_true(#g.loads <= 2)
      end
      assert.same({ "k1", "k2", "k3", "k4", "k5" }, order)
      for _, t in ipairs(tickets) do
        assert.equal("v:" .. t.key, t.value)
      end
      assert.equal("v:k4", joined.value)
    end)

    it("does not count loads at peers among them", function()
      begin { max_loads = 1, owner = function(key) return key ~= "mine" end }
      g:get "mine"
      g:get "a"
      g:get "b"
      assert.equal(3, #g.loads)
      g:fallback(g.loads[2]) -- needs the getter: queued behind "mine"
      assert.equal(2, #g.loads)
      g:finish(g.loads[1], "v")
      assert.equal("local", g.loads[2].kind)
      assert.equal("a", g.loads[2].key)
    end)

    it("starts the next one whatever way one ends", function()
      begin { max_loads = 1, timeout_ms = 100000 }
      for i = 1, 3 do
        g:get("k" .. i)
      end
      g:fail(g.loads[1], "GETTER")
      assert.equal("k2", g.loads[1].key)
      g:finish(g.loads[1], "v")
      assert.equal("k3", g.loads[1].key)
      C.clock_advance(50000)
      g:get "k4"
      C.clock_advance(50001)
      g:tick() -- k3 is late; k4 is not
      assert.equal("k4", g.loads[2].key)
    end)

    it("never starts a flight that waited past its deadline", function()
      begin { max_loads = 1, timeout_ms = 1000 }
      local a, b, c = g:get "a", g:get "b", g:get "c"
      C.clock_advance(1001)
      g:tick()
      for _, t in ipairs { a, b, c } do
        assert.equal("TIMEOUT", t.code)
      end
      assert.equal(1, #g.started)
      counters { flights = 0, waiters = 0 }
      g:finish(g.loads[1], "late")
      assert.equal(1, #g.started)
      g:get "d" -- the getter that came too late has made room
      assert.equal(2, #g.started)
    end)

    it("starts no late one before the tick has come either", function()
      begin { max_loads = 1, timeout_ms = 100000 }
      local a, b = g:get "a", g:get "b"
      C.clock_advance(100001)
      local c = g:get "c" -- in time, and behind b
      g:finish(g.loads[1], "v") -- a was late, but its value has come first
      assert.equal("v", a.value)
      assert.equal(0, #g.loads)
      g:tick()
      assert.equal("TIMEOUT", b.code)
      assert.equal("c", g.loads[1].key)
      g:finish(g.loads[1], "v")
      assert.equal("v", c.value)
    end)

    it("starts the next one when a getter waits, and lets it go on at once", function()
      begin { max_loads = 1 }
      g:get "a"
      g:get "b"
      local a = g.loads[1]
      assert.equal(1, #g.started)
      C.group_places_move(a.flight, C.FLIGHT_WAITING)
      assert.equal("b", g.started[2].key)
      C.group_places_move(a.flight, C.FLIGHT_RUNNING) -- beside b
      g:get "c"
      C.group_places_move(a.flight, C.FLIGHT_ASKING)
      assert.equal(2, #g.started) -- b runs
      g:finish(g.started[2], "v")
      assert.equal("c", g.started[3].key)
    end)

    it("bounds those that run or wait for a source by max_waiting", function()
      begin { max_loads = 10, max_waiting = 2 }
      for _, key in ipairs { "a", "b", "c", "d" } do
        g:get(key)
      end
      assert.equal(2, #g.started)
      C.group_places_move(g.started[1].flight, C.FLIGHT_WAITING)
      assert.equal(2, #g.started)
      C.group_places_move(g.started[2].flight, C.FLIGHT_ASKING) -- for another load: not counted
      assert.equal("c", g.started[3].key)
      C.group_places_move(g.started[2].flight, C.FLIGHT_RUNNING)
      g:finish(g.started[1], "v")
      assert.equal(3, #g.started)
      g:finish(g.started[2], "v")
      assert.equal("d", g.started[4].key)
    end)

    it("starts the loads first that getters ask for", function()
      begin { max_loads = 1 }
      g:get "a"
      g:get "b"
      local inner = g:load("inner", false, g.started[1])
      C.group_places_move(g.started[1].flight, C.FLIGHT_ASKING)
      assert.equal("inner", g.started[2].key)
      g:finish(g.started[2], "v")
      assert.equal("v", inner.value)
      assert.equal("b", g.started[3].key)
    end)

    it("moves no flight that has ended", function()
      begin { max_loads = 1, timeout_ms = 1000 }
      g:get "a"
      C.clock_advance(1001)
      g:tick()
      g:get "b"
      C.group_places_move(g.started[1].flight, C.FLIGHT_WAITING)
      g:get "c"
      assert.equal(2, #g.started)
    end)

    it("works through a queue of loads that end at once", function()
      begin { max_loads = 1 }
      for i = 0, 100 do
        g:get("k" .. i)
      end
      local deep, deepest = 0, 0
      g.on_load = function(load)
        deep = deep + 1
        deepest = math.max(deepest, deep)
        g:fail(load, "CLOSED")
        deep = deep - 1
      end
      g:fail(g.loads[1], "CLOSED")
      assert.equal(101, #g.started)
      assert.equal(1, deepest) -- one after the other: a long queue must not fill the stack
    end)
  end)

  describe("cancelling", function()
    it("takes one waiter off and leaves the load to the others", function()
      begin()
      local a, b = g:get "k", g:get "k"
      assert.is_true(g:cancel(a))
      a.cancelled = true
      counters { waiters = 1, flights = 1 }
      g:finish(g.loads[1], "v")
      assert.equal(0, a.wakes)
      assert.equal("v", b.value)
    end)

    it("the last waiter does not stop the load: the next get finds its value", function()
      begin()
      local a = g:get "k"
      assert.is_true(g:cancel(a))
      a.cancelled = true
      counters { waiters = 0, flights = 1 }
      g:finish(g.loads[1], "v")
      assert.is_true(g:get("k").hit)
    end)

    it("comes too late once the waiter is woken", function()
      begin()
      local a = g:get "k"
      g:finish(g.loads[1], "v")
      assert.is_false(g:cancel(a))
      assert.equal(1, a.wakes)
    end)

    it("works once", function()
      begin()
      local a = g:get "k"
      assert.is_true(g:cancel(a))
      assert.is_false(g:cancel(a))
      a.cancelled = true
    end)
  end)

  describe("closing", function()
    it("ends what is under way and refuses what comes, but hits go on", function()
      begin { max_loads = 1, owner = function(key) return key:sub(1, 1) == "r" end }
      fill "kept"
      local tickets = { g:get "a", g:get "b", g:get "r1", g:get("r1", true) }
      g:close()
      for _, t in ipairs(tickets) do
        assert.equal("CLOSED", t.code)
      end
      counters { flights = 0, waiters = 0 }
      assert.equal("CLOSED", g:get("new").code)
      assert.equal("CLOSED", g:get("r2").code)
      assert.equal("v:kept", g:get("kept").value)
      g:close() -- again is fine
    end)

    it("starts nothing that waited for its turn", function()
      begin { max_loads = 1 }
      for i = 1, 10 do
        g:get("k" .. i)
      end
      g:close()
      assert.equal(1, #g.started)
    end)

    it("drops what the loaders bring later", function()
      begin { owner = function(key) return key == "r" end }
      local a, r = g:get "a", g:get "r"
      g:close()
      g:finish(g.loads[1], "late")
      g:fallback(g.loads[1])
      assert.equal("CLOSED", a.code)
      assert.equal("CLOSED", r.code)
      assert.equal(2, #g.started)
      assert.equal(0, g:stats().main.items)
    end)

    it("ends a flight whose peer fails afterwards with CLOSED", function()
      begin { owner = everything_remote }
      local r = g:get "r"
      g:fallback(g.loads[1])
      g:close()
      assert.equal("CLOSED", r.code)
    end)
  end)

  describe("expiry", function()
    it("makes a value a miss, in main and in hot", function()
      begin { owner = function(key) return key == "theirs" end, hot = C.HOT_ALWAYS }
      for _, key in ipairs { "mine", "theirs" } do
        fill(key, "old", C.clock_ms() + 60000)
        assert.is_true(g:get(key).hit)
      end
      C.clock_advance(60001)
      for _, key in ipairs { "mine", "theirs" } do
        assert.equal("new", fill(key, "new").value)
        assert.equal("new", g:get(key).value)
      end
      counters { cache_hits = 4, loads = 4 }
    end)

    it("gives back the memory of what it finds", function()
      begin()
      local empty = g:stats().main.bytes
      fill("k", ("v"):rep(10000), C.clock_ms() + 60000)
      assert.is_true(g:stats().main.bytes > empty + 10000)
      C.clock_advance(60001)
      g:get "k"
      assert.equal(empty, g:stats().main.bytes)
      assert.equal(0, g:stats().main.items)
    end)

    it("is no hit of the cache either", function()
      begin()
      fill("k", "old", C.clock_ms() + 60000)
      C.clock_advance(60001)
      local before = g:stats().main
      g:get "k"
      assert.equal(before.hits, g:stats().main.hits)
      assert.is_true(g:stats().main.gets > before.gets)
    end)

    it("never comes for what has no end", function()
      begin()
      fill "k"
      C.clock_advance(100 * 365 * 24 * 3600 * 1000)
      assert.is_true(g:get("k").hit)
    end)
  end)

  describe("memory", function()
    local function bytes()
      local s = g:stats()
      return s.main.bytes + s.hot.bytes
    end

    it("stays within cache_bytes, whichever value goes first", function()
      begin { cache_bytes = 100000 }
      for i = 1, 500 do
        fill("k" .. i, ("v"):rep(1000))
        assert.is_true(bytes() <= 100000)
      end
      assert.is_true(g:stats().main.items > 50)
    end)

    it("stays within cache_bytes, the oldest going first", function()
      begin { cache_bytes = 100000, eviction = C.EVICT_LRU }
      for i = 1, 500 do
        fill("k" .. i, ("v"):rep(1000))
        assert.is_true(bytes() <= 100000)
      end
      local s = g:stats().main
      assert.is_true(s.items > 50)
      assert.equal(500 - s.items, s.evictions)
      assert.is_true(g:get("k" .. 500 - s.items + 1).hit)
      assert.is_nil(g:get("k" .. 500 - s.items).hit)
    end)

    it("is taken from hot first while hot holds over an eighth of main", function()
      begin { cache_bytes = 200000, hot = C.HOT_ALWAYS,
        owner = function(key) return key:sub(1, 3) == "hot" end }
      for i = 1, 100 do
        fill("main" .. i, ("v"):rep(1000))
      end
      local main = g:stats().main.items
      for i = 1, 500 do
        fill("hot" .. i, ("v"):rep(1000))
        local s = g:stats()
        assert.is_true(bytes() <= 200000)
        -- As long as hot is the larger part nothing of main goes.
        assert.equal(main, s.main.items)
      end
      assert.is_true(g:stats().hot.evictions > 0)
      for i = 101, 1000 do
        fill("main" .. i, ("v"):rep(1000))
        assert.is_true(bytes() <= 200000)
      end
      local s = g:stats()
      assert.is_true(s.main.evictions > 0)
      -- Hot has given way to an eighth, give or take one item, and no further.
      local one = 1100 -- a little more than an item with its value of 1000 bytes
      assert.is_true(s.hot.bytes <= s.main.bytes / 8 + one)
      assert.is_true(s.hot.bytes >= s.main.bytes / 8 - 2 * one)
    end)

    it("is not spent on a value over an eighth of the cache, which evicts nothing", function()
      begin { cache_bytes = 100000, hot = C.HOT_ALWAYS,
        owner = function(key) return key:sub(1, 3) == "hot" end }
      for i = 1, 50 do
        fill("k" .. i, ("v"):rep(1000))
      end
      local before = g:stats()
      for _, key in ipairs { "large", "hot large" } do
        local t = fill(key, ("v"):rep(12500))
        assert.equal(12500, #t.value)
      end
      local after = g:stats()
      assert.same(before.main.items, after.main.items)
      assert.same(before.main.bytes, after.main.bytes)
      assert.same(0, after.main.evictions)
      assert.same(0, after.hot.items)
      assert.is_nil(g:get("large").hit)
      fill("small enough", ("v"):rep(12000))
      assert.is_true(g:get("small enough").hit)
    end)

    it("of zero bytes keeps nothing, and loads all the same", function()
      begin { cache_bytes = 0 }
      assert.equal("v:k", fill("k").value)
      assert.equal("v:k", fill("k").value)
      assert.equal(2, #g.started)
    end)

    it("is counted once for a key that is loaded over again", function()
      begin()
      fill("k", ("v"):rep(1000), C.clock_ms() + 10000)
      local one = g:stats().main.bytes
      for _ = 1, 20 do
        C.clock_advance(10001)
        fill("k", ("v"):rep(1000), C.clock_ms() + 10000)
        -- Items of one size may differ in cost by the 16 bytes of glibc's grain.
        assert.near(one, g:stats().main.bytes, 16)
        assert.equal(1, g:stats().main.items)
      end
    end)
  end)

  describe("counts as Go does", function()
    it("a history of everything", function()
      begin { owner = function(key) return key:sub(1, 1) == "r" end, hot = C.HOT_ALWAYS }
      fill "a" -- miss, local
      g:get "a" -- hit
      g:get("a", true) -- hit, for a peer
      local t = g:get("b", true) -- a peer's miss
      g:get "b" -- joins it
      g:fail(g.loads[1], "NOTFOUND")
      assert.equal("NOTFOUND", t.code)
      fill "r1" -- remote
      g:get "r1" -- hot hit
      g:get "r2"
      g:fallback(g.loads[1])
      g:finish(g.loads[1], "v") -- a failed peer, a local load
      g:get "r2" -- main hit
      counters {
        gets = 9, -- all
        server_requests = 2,
        cache_hits = 4,
        loads = 5, -- gets less hits
        loads_deduped = 4, -- one joined
        peer_loads = 1,
        peer_errors = 1,
        local_loads = 2,
        local_load_errs = 1,
      }
    end)

    it("every get as a hit or a load", function()
      begin { hot = C.HOT_ALWAYS, owner = function(key) return #key % 2 == 0 end }
      math.randomseed(83)
      for _ = 1, 2000 do
        g:get(("k"):rep(math.random(40)), math.random(3) == 1)
        if math.random(2) == 1 and g.loads[1] then
          g:finish(g.loads[math.random(#g.loads)], "v")
        end
      end
      local s = g:stats()
      assert.equal(2000, s.gets)
      assert.equal(s.gets, s.cache_hits + s.loads)
      assert.equal(s.loads_deduped, #g.started)
    end)
  end)

  describe("refuses with BUSY", function()
    it("the caller beyond the most that may wait for a key", function()
      begin()
      for _ = 1, C.GROUP_MAX_WAITERS do
        g:get "k"
      end
      counters { waiters = C.GROUP_MAX_WAITERS }
      local t = g:get "k"
      assert.is_true(t.now)
      assert.equal("BUSY", t.code)
      assert.is_truthy(t.text:find("spec", 1, true)) -- names the group
      assert.equal(0, g:get("other").wakes)
      g:finish(g.loads[1], "v")
      assert.equal("v", g:get("k").value)
    end)

    it("the key beyond the most loads of a kind", function()
      begin { owner = function(key) return key:sub(1, 1) == "r" end }
      for i = 1, C.GROUP_MAX_FLIGHTS do
        g:get("k" .. i)
      end
      assert.equal("BUSY", g:get("one more").code)
      assert.equal(0, g:get("k1").wakes) -- joins
      assert.equal(0, g:get("remote").wakes) -- of the other kind
      local remote = g.loads[#g.loads]
      assert.equal("remote", remote.kind)
      g:fallback(remote) -- no room for its getter either
      assert.equal("BUSY", g.tickets[#g.tickets].code)
      g:close()
      counters { flights = 0, waiters = 0 }
    end)
  end)

  describe("group_get", function()
    local function get(key)
      local out = ffi.new "struct result"
      local code = tonumber(C.group_get(g.c, key_ref(key), 1, out))
      if out.item ~= nil then
        local value = ffi.string(C.item_value(out.item), out.item.value_len)
        C.item_unref(out.item)
        return code, value, ffi.string(C.source_name(out.source))
      end
      return code, nil, ffi.string(out.err.msg)
    end

    it("returns a hit", function()
      begin()
      fill("k", "value")
      local code, value, source = get "k"
      assert.equal(0, code)
      assert.equal("value", value)
      assert.equal("main", source)
    end)

    it("returns what a loader gives at once", function()
      begin()
      g.on_load = function(load)
        g:finish(load, "quick")
      end
      local code, value, source = get "k"
      assert.equal(0, code)
      assert.equal("quick", value)
      assert.equal("local", source)
    end)

    it("returns an error at once", function()
      begin()
      g.on_load = function(load)
        g:fail(load, "GETTER", "no")
      end
      local code, value, text = get "k"
      assert.equal(tonumber(C.ERR_GETTER), code)
      assert.is_nil(value)
      assert.equal("no", text)
      g:close()
      assert.equal(tonumber(C.ERR_CLOSED), (get "k"))
    end)

    it("stops waiting at its own timeout and leaves the load to others", function()
      begin()
      local code, _, text = get "k" -- one millisecond
      assert.equal(tonumber(C.ERR_TIMEOUT), code)
      assert.is_truthy(text:find "0.001 s")
      counters { flights = 1, waiters = 0 }
      g:finish(g.loads[1], "v")
      assert.equal(0, (get "k"))
    end)
  end)

  -- Ends the first load with an item of which we keep a reference.
  local function finish_and_keep(expires)
    local load = g.loads[1]
    local it = C.item_new(key_ref(load.key, load.flight.hash), "v", 1, expires or 0)
    local r = ffi.new "struct result"
    r.item, r.source = it, load.kind == "local" and C.SOURCE_LOCAL or C.SOURCE_PEER
    g:release(load)
    C.group_finish(load.flight, r)
    return it
  end

  it("holds items only as long as it must", function()
    begin()
    g:get "k"
    local it = finish_and_keep()
    assert.equal(2, it.refs) -- ours and main's
    local last = g
    g = nil
    last:ended()
    assert.equal(1, it.refs)
    C.item_unref(it)
  end)

  it("lets go of expired items where it finds them", function()
    begin { owner = function(key) return key == "theirs" end, hot = C.HOT_ALWAYS }
    for _, find in ipairs { g.get, g.load } do
      for _, key in ipairs { "mine", "theirs" } do
        g:get(key)
        local it = finish_and_keep(C.clock_ms() + 60000)
        assert.equal(2, it.refs)
        C.clock_advance(60001)
        find(g, key)
        assert.equal(1, it.refs)
        C.item_unref(it)
        g:fail(g.loads[1], "NOTFOUND")
      end
    end
  end)

  it("holds a flight that never started only as long as it must", function()
    begin { max_loads = 1, timeout_ms = 1000 }
    g:get "running"
    local queued = C.flight_ref(g:get("queued").waiter[0].flight)
    assert.equal(3, queued.refs) -- ours, the table's, and the loader's, which it never gets
    C.clock_advance(1001)
    g:tick()
    assert.equal(1, queued.refs)
    C.flight_unref(queued)
    C.group_unref(g.c) -- the group's reference that the flight held
  end)

  it("holds flights only as long as it must", function()
    begin { timeout_ms = 1000 }
    g:get "k"
    local f = C.flight_ref(g.loads[1].flight) -- ours, the table's, the loader's
    assert.equal(3, f.refs)
    C.clock_advance(1001)
    g:tick()
    assert.equal(2, f.refs)
    g:finish(g.loads[1], "late")
    assert.equal(1, f.refs)
    C.flight_unref(f) -- it takes the group's reference with it, which is ours to give back
    C.group_unref(g.c)
  end)
end)
