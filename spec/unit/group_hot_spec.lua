-- SPDX-License-Identifier: MIT

-- hot = "rate": which values of other nodes are kept, by how often their keys are asked for.

jit.off(true, true) -- the group calls back into Lua

local ffi = require "ffi"
local key_ref = require "unit.key_ref"
local engine = require "unit.engine"
local C = engine.C

local HOUR = 3600 * 1000
local ENOUGH = tonumber(C.GROUP_HOT_RATE)

describe("group with hot = \"rate\"", function()
  local g, told, padding

  local function begin(opts)
    opts.hot = opts.hot or C.HOT_RATE
    opts.owner = opts.owner or function(key) return key:sub(1, 4) ~= "ours" end
    opts.timeout_ms = 100 * HOUR
    g = engine.group(opts)
    told, padding = 0, ""
    -- Every load ends at once, and a peer tells what `told` says.
    g.on_load = function(load)
      local value = "v:" .. load.key .. padding
      local it = C.item_new(key_ref(load.key, load.flight.hash), value, #value, 0)
      local r = ffi.new "struct result"
      r.item, r.minute_qps = it, told
      r.source = load.kind == "local" and C.SOURCE_LOCAL or C.SOURCE_PEER
      C.group_finish(load.flight, r)
      C.item_unref(it)
    end
  end

  after_each(function()
    if g then
      local last = g
      g = nil
      last:ended()
    end
  end)

  local function pass(ms)
    C.clock_advance(ms)
    g:tick()
  end

  local function ask(key, times)
    local source
    for _ = 1, times or 1 do
      source = g:get(key).source
    end
    return source
  end

  local function in_hot(key)
    return select(2, g:peek(key)) == "hot"
  end

  local function rate(key)
    return C.group_hot_minute_qps(g.c, engine.hash(key))
  end

  -- Gets until the key's value is kept, with ms between them.
  local function gets_until_hot(key, ms)
    for i = 1, 1000 do
      ask(key)
      if in_hot(key) then
        return i
      end
      if ms > 0 then
        pass(ms)
      end
    end
  end

  it("keeps a key at its fifth get in a row", function()
    begin {}
    assert.equal(5, gets_until_hot("k", 0))
    assert.equal("hot", ask "k")
  end)

  it("keeps one that is asked for three times a second within two seconds", function()
    for offset = 0, 8000, 2000 do -- wherever the sketch stands in its period
      begin {}
      pass(10000 + offset)
      local gets = gets_until_hot("k", 100)
      assert(gets * 100 <= 2000, ("after %d gets"):format(gets))
      g:ended()
    end
    begin {}
  end)

  it("keeps one that is asked for steadily from the rate on, and not below", function()
    begin {}
    for i = 1, 100 do
      ask "under"
      pass(1.25 * 60000 / ENOUGH)
      assert(not in_hot "under", i)
    end
    assert.is_true(gets_until_hot("over", 0.75 * 60000 / ENOUGH) < 30)
  end)

  it("keeps nothing of a scan, however fast", function()
    begin { cache_bytes = 1e9 }
    for i = 1, 50000 do
      ask("key" .. i)
      if i % 5000 == 0 then
        pass(1000)
      end
    end
    local kept = g:stats().hot.items
    assert(kept == 0, kept)
  end)

  it("finds the hot key in a scan", function()
    begin { cache_bytes = 1e9 }
    for i = 1, 20000 do
      ask("key" .. i)
      if i % 100 == 0 then
        ask "k"
      end
      if i % 2000 == 0 then
        pass(1000)
      end
    end
    assert.is_true(in_hot "k")
    assert.equal(1, g:stats().hot.items)
  end)

  it("has a key back at its next load, when its copy has gone", function()
    begin {}
    ask("k", 50)
    assert.is_true(in_hot "k")
    g:remove "k"
    assert.equal("peer", ask "k")
    assert.is_true(in_hot "k")
  end)

  it("forgets a key that is asked for no more", function()
    begin {}
    ask("k", 50)
    g:remove "k"
    pass(60000)
    assert.equal("peer", ask "k")
    assert.is_false(in_hot "k")
  end)

  it("believes the owner, who says that the key is asked for ten times as often", function()
    begin {}
    told = 10 * ENOUGH - 1
    ask "warm"
    assert.is_false(in_hot "warm")
    told = 10 * ENOUGH
    ask "hot"
    assert.is_true(in_hot "hot")
  end)

  it("takes no harm from what an owner says", function()
    begin {}
    for i, word in ipairs { -1, -math.huge, 0 / 0 } do
      told = word
      ask("k" .. i)
      assert.is_false(in_hot("k" .. i))
    end
  end)

  it("keeps its own keys whatever their rate", function()
    begin {}
    ask "ours"
    assert.equal("main", (select(2, g:peek "ours")))
  end)

  it("tells the rate of a key, hits and peers' gets included", function()
    begin {}
    for _ = 1, 100 do
      ask("ours", 2)
      g:get("ours", true)
      pass(1000)
    end
    assert(math.abs(rate "ours" - 180) < 10, rate "ours")
    assert.equal(0, rate "other")
  end)

  it("tells no rate of a key that does not stand out", function()
    begin { cache_bytes = 1e9 }
    for i = 1, 50000 do
      ask("ours" .. i)
    end
    assert.equal(0, rate "ours7")
    assert.equal(0, rate "ours49999")
  end)

  for _, name in ipairs { "SAMPLE", "ALWAYS", "NEVER" } do
    it("is another thing than HOT_" .. name .. ", which measures nothing", function()
      begin { hot = C["HOT_" .. name] }
      ask("ours", 100)
      assert.equal(0, rate "ours")
    end)
  end

  it("measures nothing when every key is its own", function()
    begin { local_only = 1 }
    ask("k", 100)
    assert.equal(0, rate "k")
  end)

  describe("when the cache is full", function()
    -- Values of 1 kB: some 180 of them fit, and of those some 20 are hot's.
    local function fill()
      begin { cache_bytes = 200000 }
      padding = ("x"):rep(1000)
      for i = 1, 400 do
        ask("ours" .. i)
      end
      for i = 1, 30 do
        ask("hot" .. i, 20)
      end
      assert.is_true(g:stats().hot.evictions > 0)
      for i = 1, 30 do -- the latest of them are there: they get hotter
        if in_hot("hot" .. i) then
          ask("hot" .. i, 20)
        end
      end
    end

    it("lets a hot key push out one that is less so", function()
      fill()
      ask("k", 100)
      assert.is_true(in_hot "k")
    end)

    it("keeps a key out that is hot, and less so than what it would push out", function()
      fill()
      local evictions = g:stats().hot.evictions
      ask("k", 15)
      assert.is_false(in_hot "k")
      assert.equal(evictions, g:stats().hot.evictions)
    end)

    it("lets it in when the others have cooled", function()
      fill()
      for _ = 1, 12 do
        pass(5000)
      end
      ask("k", 15)
      assert.is_true(in_hot "k")
    end)
  end)

  describe("that is configured anew", function()
    local function configure(changes)
      local o = C.group_opts(g.c)
      local texts = ffi.new("struct group_texts", "text/plain", "", "", "")
      for name, value in pairs(changes) do
        o[name] = value
      end
      C.group_configure(g.c, texts, o)
    end

    it("begins to measure", function()
      begin { hot = C.HOT_NEVER }
      ask("k", 100)
      configure { hot = C.HOT_RATE }
      assert.equal(5, gets_until_hot("k", 0))
    end)

    it("goes on measuring", function()
      begin {}
      ask("ours", 100)
      local before = rate "ours"
      configure { ttl_ms = HOUR }
      assert.equal(before, rate "ours")
    end)

    it("ends it", function()
      begin {}
      ask("ours", 100)
      configure { hot = C.HOT_NEVER }
      assert.equal(0, rate "ours")
      ask("k", 100)
      assert.is_false(in_hot "k")
    end)
  end)
end)
