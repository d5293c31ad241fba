-- SPDX-License-Identifier: MIT

-- Many who ask for one key at the same moment: one call of the getter, and its outcome for all.

local cjson = require "cjson"
local eventually = require "support.eventually"
local http = require "support.http"
local node = require "support.node"
local rig = require "node.rig"

local SCRIPT = [[
local groupcache = require "groupcache"

groupcache.group("held", {
  timeout = 30,
  getter = function(key)
    rig.record(key)
    rig.gate(key)
    return "v:" .. key
  end,
})

local outcome = {
  throws = function() error("kaboom") end,
  ["throws a table"] = function() error({}) end,
  table = function() return { "value" } end,
  number = function() return 42 end,
  boolean = function() return false end,
  ["function"] = function() return print end,
  memory = function()
    local all = {}
    while true do all[#all + 1] = ("x"):rep(100000) .. #all end
  end,
  ["nil"] = function() return nil end,
  error = function() return nil, "the origin is\nill" end,
  ["odd error"] = function() return nil, { "not a text" } end,
  ["odd ttl"] = function() return "value", nil, "60" end,
  recursion = function()
    local function deeper() return 1 + deeper() end
    return deeper()
  end,
}

groupcache.group("bad", {
  timeout = 30,
  getter = function(key)
    rig.record(key)
    local what = key:match "^[^:]*"
    if key:find ":held" then rig.gate(key) end
    return outcome[what]()
  end,
})

groupcache.group("slow", {
  timeout = 0.3,
  getter = function(key)
    rig.record(key)
    rig.gate "never"
  end,
})
]]

describe("500 requests for one cold key through three nodes", function()
  local r, nodes, urls

  setup(function()
    r = rig.new()
    nodes = node.cluster(3, { script = r:script(SCRIPT), args = { "--connect-timeout", "5" } })
    urls = { nodes[1].url, nodes[2].url, nodes[3].url }
  end)

  teardown(function()
    rig.stop_all(nodes)
  end)

  -- All at once, the gate opened when all of them wait.
  local function herd(key)
    local fns, results = {}, {}
    for i = 1, 500 do
      fns[i] = function()
        local res, err = nodes[i % 3 + 1]:get("held", key, { timeout = 30 })
        results[i] = res or { err = err }
      end
    end
    fns[#fns + 1] = function()
      eventually(function()
        local waiters = 0
        for _, n in ipairs(nodes) do
          waiters = waiters + n:stats().groups.held.waiters
        end
        return waiters == 500 + 2 -- two nodes wait at the owner
      end, 20, "all 500 wait")
      r:open(key)
    end
    http.together(fns)
    return results
  end

  for i = 1, 3 do
    it(("call the getter once, where node %d owns the key"):format(i), function()
      local key = rig.owned_by(urls, urls[i], "herd" .. i)
      local before = r:total()
      local sources = {}
      for _, res in ipairs(herd(key)) do
        assert.is_nil(res.err)
        assert.equal(200, res.status)
        assert.equal("v:" .. key, res.body)
        local source = res.headers["x-cache"]
        sources[source] = (sources[source] or 0) + 1
      end
      assert.equal(1, r:calls()[key])
      assert.equal(before + 1, r:total())
      assert.equal(500, sources["local"] + sources.peer)
      assert.is_true(sources["local"] >= 166 and sources["local"] <= 167)
    end)
  end

  it("count as one load in the whole cluster", function()
    local loads, peer_loads = 0, 0
    for _, n in ipairs(nodes) do
      local s = n:stats().groups.held
      loads, peer_loads = loads + s.local_loads, peer_loads + s.peer_loads
      assert.equal(0, s.flights)
      assert.equal(0, s.waiters)
    end
    assert.equal(3, loads)
    assert.equal(6, peer_loads)
  end)
end)

describe("300 who wait on one HTTP thread", function()
  local r, n

  setup(function()
    r = rig.new()
    n = node.start { script = r:script(SCRIPT), args = { "--http-threads", "1" } }
    r:open "warm"
    assert(n:get("held", "warm"))
  end)

  teardown(function()
    rig.stop(n)
  end)

  -- All wait; 20 connections get hits from then on, until so many of those are answered.
  local function answered(key, hits_until)
    local fns, done, hits, opened = {}, 0, 0, false
    for i = 1, 300 do
      fns[i] = function()
        assert.equal("v:" .. key, assert(n:get("held", key, { timeout = 30 })).body)
        done = done + 1
      end
    end
    for _ = 1, 20 do
      fns[#fns + 1] = function()
        rig.wait(n, function()
          return opened or n:stats().groups.held.waiters == 300
        end, 20, "300 wait")
        opened = true
        r:open(key)
        repeat
          assert.equal("main", assert(n:get("held", "warm")).headers["x-cache"])
          hits = hits + 1
        until done >= hits_until
      end
    end
    http.together(fns)
    assert.is_true(hits > 0)
    return done
  end

  it("are all answered while others get hits", function()
    assert.equal(300, answered("beside", 300))
  end)

  it("are all answered when the hits end before them", function()
    assert.equal(300, answered("after", 0))
  end)
end)

describe("a getter that ends badly", function()
  local r, n

  setup(function()
    r = rig.new()
    n = node.start { script = r:script(SCRIPT), args = { "--vm-bytes", "16MB" } }
  end)

  teardown(function()
    rig.stop(n)
  end)

  local function error_of(res)
    local body = cjson.decode(res.body)
    return { res.status, body.code, body.error }
  end

  -- The answers of 50 that wait for the same call.
  local function waiters(key)
    local fns, results = {}, {}
    for i = 1, 50 do
      fns[i] = function()
        results[i] = assert(n:get("bad", key))
      end
    end
    fns[#fns + 1] = function()
      eventually(function() return n:stats().groups.bad.waiters == 50 end, 10, "50 wait")
      r:open(key)
    end
    http.together(fns)
    return results
  end

  local cases = {
    { "throws", 502, "GETTER", "kaboom" },
    { "throws a table", 502, "GETTER", "the getter threw a table" },
    { "table", 502, "GETTER", "the table that the getter returned: it has an item" },
    { "number", 502, "GETTER", "the getter returned a number, not a string" },
    { "boolean", 502, "GETTER", "the getter returned a boolean, not a string" },
    { "function", 502, "GETTER", "the getter returned a function, not a string" },
    { "memory", 503, "NOMEM", "memory" },
    { "nil", 404, "NOTFOUND", "not found" },
    { "error", 502, "GETTER", "the origin is\nill" },
    { "odd error", 502, "GETTER", "second result, the error, is a table, and must be a string" },
    { "odd ttl", 502, "GETTER", "the ttl in seconds, is a string" },
    { "recursion", 502, "GETTER", "stack overflow" },
  }

  for _, case in ipairs(cases) do
    local what, status, code, text = unpack(case)
    it(("(%s) tells every waiter so, and is called again by the next request"):format(what),
      function()
        local key = what .. ":held"
        for _, res in ipairs(waiters(key)) do
          local got = error_of(res)
          assert.same({ status, code }, { got[1], got[2] })
          assert(got[3]:find(text, 1, true), got[3])
        end
        assert.equal(1, r:calls()[key])
        assert.equal(status, assert(n:get("bad", key)).status)
        assert.equal(2, r:calls()[key])
      end)
  end

  it("has its line named in the log, once, and its text in the answer", function()
    local res = assert(n:get("bad", "throws:line"))
    assert.equal("kaboom", cjson.decode(res.body).error)
    assert.matches("node%.lua:%d+: kaboom.*stack traceback", n:logged 'msg="getter threw" [^\n]*')
  end)

  it("(too late) answers 504 within its timeout, and is called again", function()
    for times = 1, 2 do
      local got = error_of(assert(n:get("slow", "k", { timeout = 5 })))
      assert.same({ 504, "TIMEOUT" }, { got[1], got[2] })
      assert.equal(times, r:calls().k)
    end
  end)

  it("leaves nothing behind, and the VM works on", function()
    r:open "good"
    assert.equal("v:good", assert(n:get("held", "good")).body)
    for _, group in pairs(n:stats().groups) do
      assert.equal(0, group.flights)
      assert.equal(0, group.waiters)
    end
  end)
end)
