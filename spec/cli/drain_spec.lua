-- SPDX-License-Identifier: MIT

-- How a node ends: what is under way is answered, nothing new is taken.

local cjson = require "cjson"
local eventually = require "support.eventually"
local http = require "support.http"
local node = require "support.node"
local rig = require "node.rig"
local socket = require "socket"

local SCRIPT = [[
require("groupcache").group("g", {
  timeout = 60,
  getter = function(key)
    if key:find "held" then
      rig.record(key)
      rig.gate "g"
    end
    return "v:" .. key
  end,
})
]]

describe("a node that is told to stop", function()
  local r, n

  local function start(...)
    r = rig.new()
    n = node.start { script = r:script(SCRIPT), args = { ... } }
  end

  after_each(function()
    if n and n.process:alive() then
      n:kill9()
    end
    n = nil
  end)

  local function refuses_new_connections()
    local c, err = http.connect(n.host, n.port, 1)
    if c then
      c:close()
    end
    return err == "connection refused"
  end

  -- Asks for that many keys that the gate holds; `meanwhile` runs when all of them are at it.
  local function with_held(count, meanwhile)
    local fns, results = {}, {}
    for i = 1, count do
      fns[i] = function()
        local res, err = n:get("g", "held" .. i, { timeout = 30 })
        results[i] = res or { err = err }
        results[i].at = socket.gettime()
      end
    end
    fns[#fns + 1] = function()
      eventually(function() return n:stats().groups.g.waiters == count end, 10, "all are held")
      meanwhile(results)
    end
    http.together(fns)
    return results
  end

  for _, signal in ipairs { "SIGTERM", "SIGINT" } do
    it(("by %s answers what is under way, refuses what is new, and ends with 0"):format(signal),
      function()
        start()
        local kept = assert(http.connect(n.host, n.port)) -- was there before
        local before = assert(kept:request { target = "/readyz" })
        local draining
        local results = with_held(20, function(results)
          n:signal(signal)
          rig.wait(n, refuses_new_connections, 5, "new connections are refused")
          draining = assert(kept:request { target = "/readyz" })
          assert.is_true(n.process:alive())
          assert.same({}, results)
          r:open "g"
        end)
        kept:close()
        assert.equal(200, before.status)
        assert.same({ 503, "draining\n" }, { draining.status, draining.body })
        assert.is_false(draining.keep_alive)
        for i, res in ipairs(results) do
          assert.is_nil(res.err)
          assert.same({ 200, "v:held" .. i }, { res.status, res.body })
          assert.is_false(res.keep_alive)
        end
        assert.equal(0, n.process:wait(10))
        assert.matches('msg="stopped"', n:log(), 1, true)
        assert.is_nil(n:logged "level=error")
      end)
  end

  it("is not ready for a while before it refuses, when it is told to", function()
    start("--drain-delay", "60")
    n:signal "SIGTERM"
    eventually(function() return n:request { target = "/readyz" }.status == 503 end, 5, "readyz")
    assert.equal("draining\n", assert(n:request { target = "/readyz" }).body)
    assert.equal("v:new", assert(n:get("g", "new")).body) -- on a new connection
    n:signal "SIGTERM" -- will not wait any longer
    assert.equal(0, n.process:wait(10))
  end)

  it("hurries at a second signal: who waits gets 503, and it ends with 0", function()
    start("--drain-timeout", "60")
    local began
    local results = with_held(20, function()
      n:signal "SIGTERM"
      rig.wait(n, refuses_new_connections, 5, "new connections are refused")
      began = socket.gettime()
      n:signal "SIGTERM"
    end)
    for _, res in ipairs(results) do
      assert.is_nil(res.err)
      assert.equal(503, res.status)
      assert.equal("CLOSED", cjson.decode(res.body).code)
    end
    assert.equal(0, n.process:wait(10))
    assert.is_true(socket.gettime() - began < 5)
  end)

  it("ends at once when it has nothing to do, kept connections or not", function()
    start("--drain-timeout", "60")
    local kept = {}
    for i = 1, 10 do
      kept[i] = assert(http.connect(n.host, n.port))
      assert.equal(200, assert(kept[i]:request { target = "/cache/g/k" }).status)
    end
    local began = socket.gettime()
    rig.stop(n)
    assert.is_true(socket.gettime() - began < 20)
    for _, c in ipairs(kept) do
      c:close()
    end
  end)

  it("fails 100 parked requests when its drain time is over: each gets 503 CLOSED", function()
    start("--drain-timeout", "0.2")
    local began
    local results = with_held(100, function()
      began = socket.gettime()
      n:signal "SIGTERM"
    end)
    assert.equal(100, #results)
    for _, res in ipairs(results) do
      assert.is_nil(res.err)
      assert.equal(503, res.status)
      assert.equal("CLOSED", cjson.decode(res.body).code)
      assert.is_truthy(tonumber(res.headers["retry-after"]))
      assert.is_true(res.at - began >= 0.19)
    end
    assert.equal(0, n.process:wait(10))
    assert.is_true(socket.gettime() - began < 5)
    assert.matches('msg="requests were under way when the drain time ended" requests=100',
      n:log(), 1, true)
  end)

  it("sends a large answer that was begun to its end", function()
    r = rig.new()
    n = node.start { script = [[
      require("groupcache").group("g", {
        getter = function() return ("0123456789"):rep(780000) end,
      })
    ]] }
    local c = assert(socket.connect(n.host, n.port))
    c:setoption("recv-buffer-size", 65536)
    c:send "GET /cache/g/large HTTP/1.1\r\nHost: x\r\n\r\n"
    local got = { assert(c:receive(100000)) }
    n:signal "SIGTERM"
    eventually(refuses_new_connections, 5, "new connections are refused")
    c:settimeout(10)
    local rest, err, partial = c:receive "*a"
    got[2] = rest or partial
    c:close()
    assert(rest, err)
    local body = table.concat(got):match "\r\n\r\n(.*)$"
    assert.is_true(body == ("0123456789"):rep(780000), #body .. " bytes")
    assert.equal(0, n.process:wait(10))
  end)

  it("while a getter computes without end, stops that too and ends with 0", function()
    r = rig.new()
    n = node.start { args = { "--drain-timeout", "0.2" }, script = r:script [[
      require("groupcache").group("g", {
        timeout = 60,
        getter = function(key)
          rig.record(key)
          while true do pcall(function() while true do end end) end
        end,
      })
    ]] }
    local res
    http.together {
      function()
        res = assert(n:get("g", "k", { timeout = 10 }))
      end,
      function()
        rig.wait(n, function() return r:calls().k end, 5, "it computes")
        n:signal "SIGTERM"
      end,
    }
    assert.equal(503, res.status)
    assert.equal(0, n.process:wait(10))
  end)

  it("lets a peer's request end as well, and the peer loads what it did not get", function()
    r = rig.new()
    local nodes = node.cluster(2, { script = r:script(SCRIPT),
      args = { "--connect-timeout", "5", "--drain-timeout", "0.2" } })
    local a, b = nodes[1], nodes[2]
    n = b
    local key = rig.owned_by({ a.url, b.url }, a.url, "held")
    local res
    http.together {
      function()
        res = assert(b:get("g", key, { timeout = 20 }))
      end,
      function()
        eventually(function() return a:stats().groups.g.waiters == 1 end, 10, "the owner loads")
        a:signal "SIGTERM"
        rig.wait(b, function() return r:calls()[key] == 2 end, 10, "the other loads")
        r:open "g"
      end,
    }
    assert.same({ 200, "v:" .. key, "local" }, { res.status, res.body, res.headers["x-cache"] })
    assert.equal(0, a.process:wait(10))
    rig.stop(b)
  end)
end)
