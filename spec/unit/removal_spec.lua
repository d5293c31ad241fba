-- SPDX-License-Identifier: MIT

-- Removal that holds, across nodes: once a set, remove or flush is confirmed, no read that begins
-- later returns what was loaded before it. The nodes are groups of this process; what goes between
-- them are messages that this spec delivers, in every order that a network could.
--
-- The order of a change is the one of change/change.c: the owner first, then everyone else.

jit.off(true, true) -- the groups call back into Lua

local engine = require "unit.engine"
local unit = require "support.unit"
local C = engine.C

-- A cluster of n nodes, of which the first owns every key. What is to happen next is in `pending`,
-- as functions. A getter reads its source when it starts: the worst it can do.
local function new_world(n, opts)
  local w = { nodes = {}, pending = {}, source = {}, floor = {}, reads = 0 }

  local function later(fn)
    w.pending[#w.pending + 1] = fn
  end

  local function version(key)
    return w.source[key] or 0
  end

  local function answer_peer(node, load, ticket)
    if ticket.value then
      local ms = ticket.source == "stale" and 1 or nil
      node:finish(load, ticket.value, ms)
    else
      node:fail(load, ticket.code)
    end
  end

  local function on_load(node, load)
    if load.kind == "local" then
      local value = tostring(version(load.key))
      later(function()
        if w.getter_fails and w.getter_fails() then
          node:fail(load, "GETTER")
        else
          node:finish(load, value, opts.lives and C.clock_ms() + opts.lives)
        end
      end)
      return
    end
    later(function() -- the request is on its way
      if w.owner_is_away and w.owner_is_away() then
        node:fallback(load)
        return
      end
      local ticket = w.nodes[1]:get(load.key, true)
      local function answered()
        later(function() answer_peer(node, load, ticket) end)
      end
      if ticket.wakes > 0 then
        answered()
      else
        ticket.on_wake = answered
      end
    end)
  end

  for i = 1, n do
    local o = { owner = function() return i > 1 end, hot = C.HOT_ALWAYS, timeout_ms = 1e12 }
    for name, value in pairs(opts.group or {}) do
      o[name] = value
    end
    w.nodes[i] = engine.group(o)
    w.nodes[i].on_load = function(load) on_load(w.nodes[i], load) end
  end

  function w.read(i, key)
    local least = w.floor[key] or 0
    local ticket
    local function check()
      w.reads = w.reads + 1
      if ticket.value then
        assert(tonumber(ticket.value) >= least, ("node %d returned version %s of %q from %s, "
          .. "after the removal of all before %d was confirmed"):format(i, ticket.value, key,
          ticket.source, least))
      end
    end
    ticket = w.nodes[i]:get(key)
    if ticket.wakes > 0 then
      check()
    else
      ticket.on_wake = check
    end
  end

  --- The steps of a change, in their order; those of a list within may come in any. The source
  -- changes first, but with a set that happens when its owner takes it: of two sets at once the one
  -- that comes later to the owner is the later one.
  function w.change(kind, key)
    local new, left = nil, n - 1
    local function apply(i)
      local node = w.nodes[i]
      if kind == "flush" then
        node:flush()
      elseif kind == "set" and i == 1 then
        assert(node:set(key, tostring(new)))
      else
        node:remove(key)
      end
    end
    local function change_source()
      w.source[key] = version(key) + 1
      new = w.source[key]
    end
    local steps = {
      kind == "set" and function() end or change_source,
      function()
        if kind == "set" then
          change_source()
        end
        apply(1)
      end,
      {},
    }
    for i = 2, n do
      steps[3][i - 1] = function()
        apply(i)
        left = left - 1
        if left == 0 then
          w.floor[key] = math.max(w.floor[key] or 0, new)
        end
      end
    end
    return steps
  end

  function w.deliver(i)
    table.remove(w.pending, i or 1)()
  end

  --- Starts a change: its first step now, the others when they are delivered.
  function w.begin(kind, key)
    local steps = w.change(kind, key)
    steps[1]()
    later(function()
      steps[2]()
      for _, step in ipairs(steps[3]) do
        later(step)
      end
    end)
  end

  function w.settle()
    while w.pending[1] do
      w.deliver()
    end
  end

  function w.ended()
    w.settle()
    for _, node in ipairs(w.nodes) do
      node:ended()
    end
  end

  return w
end

-- Calls fn with every way to merge lists of the given lengths: a list of list numbers.
local function each_merge(lengths, fn)
  local order, left = {}, { unpack(lengths) }
  local total = 0
  for _, n in ipairs(lengths) do
    total = total + n
  end
  local function go()
    if #order == total then
      return fn(order)
    end
    for i = 1, #left do
      if left[i] > 0 then
        left[i] = left[i] - 1
        order[#order + 1] = i
        go()
        order[#order] = nil
        left[i] = left[i] + 1
      end
    end
  end
  go()
end

describe("a change", function()
  -- One load at the owner, one elsewhere, and a change, step by step in every order.
  local function every_order(kind, held)
    local n = 0
    each_merge({ 2, 4, 3 }, function(order)
      local w = new_world(2, {})
      if held then -- both nodes hold the value that is about to change
        w.read(2, "k")
        w.settle()
      end
      local change = w.change(kind, "k")
      local next_step = {
        { function() w.read(1, "k") end, function() end },
        { function() w.read(2, "k") end, function() end, function() end, function() end },
        { change[1], change[2], change[3][1] },
      }
      -- Steps of the loads beyond the first deliver the oldest message there is.
      for list = 1, 2 do
        for i = 2, #next_step[list] do
          next_step[list][i] = function()
            if w.pending[1] then
              w.deliver()
            end
          end
        end
      end
      for _, list in ipairs(order) do
        table.remove(next_step[list], 1)()
      end
      w.read(1, "k")
      w.read(2, "k")
      w.settle()
      w.read(1, "k")
      w.read(2, "k")
      w.ended()
      n = n + 1
    end)
    return n
  end

  for _, kind in ipairs { "set", "remove", "flush" } do
    it(("by %s holds in each order of its steps and those of two loads"):format(kind), function()
      assert.equal(1260, every_order(kind, false)) -- 9! / (2! 4! 3!)
      assert.equal(1260, every_order(kind, true))
    end)
  end

  it("lets earlier callers have the value, and does not keep it", function()
    local w = new_world(2, {})
    w.read(2, "k")
    w.deliver() -- the owner's getter has started, and has read version 0
    w.begin("remove", "k")
    w.settle()
    assert.equal(1, w.reads)
    assert.is_nil(w.nodes[1]:peek "k")
    assert.is_nil(w.nodes[2]:peek "k")
    w.ended()
  end)

  it("gives the next get the set value, without a load", function()
    local w = new_world(2, {})
    w.read(1, "k")
    w.begin("set", "k")
    w.settle()
    local started = #w.nodes[1].started
    assert.equal("1", w.nodes[1]:get("k").value)
    assert.equal("1", w.nodes[1]:peek "k")
    assert.equal(started, #w.nodes[1].started)
    w.ended()
  end)

  local HISTORIES = unit.rounds(10000)

  it(("holds in %d random histories of 3 nodes"):format(HISTORIES), function()
    local KEYS = { "a", "b", "c" }
    local GROUPS = {
      {},
      { group = { stale_while_revalidate_ms = 2e9, stale_if_error_ms = 2e9 }, lives = 1e9 },
      { group = { negative_ttl_ms = 1e9, max_loads = 1 } },
      { group = { cache_bytes = 4000 } }, -- a few items only
    }
    local reads, changes = 0, 0
    for seed = 1, HISTORIES do
      math.randomseed(seed)
      local w = new_world(3, GROUPS[seed % #GROUPS + 1])
      w.getter_fails = function() return math.random(8) == 1 end
      w.owner_is_away = function() return math.random(8) == 1 end
      local ok, err = pcall(function()
        for _ = 1, 40 do
          local what, key = math.random(20), KEYS[math.random(#KEYS)]
          if what <= 7 then
            w.read(math.random(3), key)
          elseif what <= 10 then
            w.begin(({ "set", "remove", "remove", "flush" })[math.random(4)], key)
            changes = changes + 1
          elseif what == 11 then
            C.clock_advance(1e9)
          elseif w.pending[1] then
            w.deliver(math.random(#w.pending))
          end
        end
        w.settle()
        for i = 1, 3 do
          w.read(i, KEYS[math.random(#KEYS)])
        end
        w.ended()
      end)
      assert(ok, ("seed %d: %s"):format(seed, tostring(err)))
      reads = reads + w.reads
    end
    assert.is_true(reads > 10 * HISTORIES and changes > 5 * HISTORIES,
      reads .. " reads, " .. changes .. " changes")
  end)
end)
