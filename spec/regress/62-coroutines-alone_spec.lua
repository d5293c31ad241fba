-- SPDX-License-Identifier: MIT

-- In a program with coroutines a key that one of them loaded was CYCLE for all others until the
-- getter had returned. Under cqueues they wait for the one load; under a scheduler that is not
-- known each runs the getter for itself.

local groupcache = require "groupcache"
local cqueues = require "cqueues"

local loads

-- A group with a getter that lets the others run.
local function group(pause, options)
  loads = 0
  options = options or {}
  options.getter = options.getter or function(key)
    loads = loads + 1
    pause()
    if key == "none" then return nil end
    if key == "bad" then error("no " .. key, 0) end
    return "v:" .. key
  end
  return groupcache.group("g", options)
end

-- What n coroutines of cqueues get.
local function together(n, fn)
  local queue, got = cqueues.new(), {}
  for i = 1, n do
    queue:wrap(function() got[i] = { fn(i) } end)
  end
  assert(queue:loop(5))
  assert.equal(0, queue:count())
  return got
end

local function short() cqueues.sleep(0.02) end

-- A scheduler that takes turns.
local function turns(n, fn)
  local cos, got = {}, {}
  for i = 1, n do
    cos[i] = coroutine.create(function() got[i] = { fn(i) } end)
  end
  local left = true
  while left do
    left = false
    for _, co in ipairs(cos) do
      if coroutine.status(co) ~= "dead" then
        assert(coroutine.resume(co))
        left = true
      end
    end
  end
  return got
end

describe("coroutines that get one key of a group alone", function()
  it("have one load under cqueues", function()
    local g = group(short)
    for i, got in ipairs(together(5, function() return g:get "front" end)) do
      assert.same({ "v:front", nil, "local" }, got, i)
    end
    assert.equal(1, loads)
    assert.same({ "v:front", nil, "main" }, { g:get "front" })
  end)

  it("have one error under cqueues", function()
    local g = group(short)
    for _, got in ipairs(together(5, function() return g:get "bad" end)) do
      assert.same({ nil, "no bad", "GETTER" }, { got[1], got[2], got[3] })
    end
    for _, got in ipairs(together(5, function() return g:get "none" end)) do
      assert.equal("NOTFOUND", got[3])
    end
    assert.equal(2, loads)
  end)

  it("have decoded values, each its own", function()
    local g = group(short, { codec = "json", getter = function(key) short() return { key } end })
    local got = together(3, function() return g:get "k" end)
    local one = { { "k" }, nil, "local" }
    assert.same({ one, one, one }, got)
    assert.are_not.equal(got[1][1], got[2][1])
  end)

  it("each run the getter under a scheduler that is not known", function()
    local g = group(coroutine.yield)
    for _, got in ipairs(turns(5, function() return g:get "front" end)) do
      assert.same({ "v:front", nil, "local" }, got)
    end
    assert.equal(5, loads)
    assert.same({ "v:front", nil, "main" }, { g:get "front" })
  end)

  it("do not wait for each other in a circle", function()
    for pause, run in pairs { [short] = together, [coroutine.yield] = turns } do
      local g
      g = group(pause, { getter = function(key)
        pause()
        local value, err, code = g:get(key == "a" and "b" or "a")
        return value, err, code
      end })
      for _, got in ipairs(run(2, function(i) return g:get(i == 1 and "a" or "b") end)) do
        assert.equal("CYCLE", got[3])
      end
    end
  end)

  it("say CYCLE to a getter that asks for its own key while another loads it", function()
    for pause, run in pairs { [short] = together, [coroutine.yield] = turns } do
      local g
      g = group(pause, { getter = function(key)
        pause()
        return g:get(key)
      end })
      for _, got in ipairs(run(3, function() return g:get "k" end)) do
        assert.equal("CYCLE", got[3])
      end
      g = group(pause, { getter = function(key) -- in a coroutine of its own
        pause()
        return select(2, coroutine.resume(coroutine.create(function()
          return select(3, g:get(key))
        end)))
      end })
      assert.equal("CYCLE", run(3, function() return g:get "k" end)[1][1])
    end
  end)

  it("get a value when the one who loaded was dropped", function()
    local g = group(short)
    local lost = cqueues.new()
    lost:wrap(function() g:get "k" end)
    lost:step(0)
    lost = nil -- luacheck: ignore 311
    collectgarbage()
    collectgarbage()
    assert.equal("v:k", together(1, function() return g:get "k" end)[1][1])
    assert.same({}, g.loading)
  end)

  it("leave nothing behind", function()
    local g = group(short)
    together(20, function(i) return g:get("k" .. i % 4) end)
    assert.equal(4, loads)
    assert.same({}, g.loading)
  end)
end)
