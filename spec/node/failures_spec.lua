-- SPDX-License-Identifier: MIT

-- Failures that no other spec shows; docs/design/failures.md has the list of all.

local eventually = require "support.eventually"
local faults = require "support.faults"
local http = require "support.http"
local node = require "support.node"
local ports = require "support.ports"
local process = require "support.process"
local rig = require "node.rig"
local socket = require "socket"
local tmp = require "support.tmp"

local SAN = (os.getenv "SAN" or "") ~= ""

describe("a caller that leaves", function()
  it("takes nothing from the ninety-nine who wait for the same load", function()
    local r, n = rig.start [[
      require("groupcache").group("g", { timeout = 20, getter = function(key)
        rig.record(key)
        rig.gate "g"
        return "v:" .. key
      end })
    ]]
    local first = n:connect()
    assert(first:send "GET /cache/g/k HTTP/1.1\r\nHost: x\r\n\r\n")
    eventually(function() return r:total() == 1 end, 10, "the load runs")
    local tasks, good = {}, 0
    for i = 1, 99 do
      tasks[i] = function()
        local res = n:get("g", "k", { timeout = 20 })
        good = good + (res and res.status == 200 and res.body == "v:k" and 1 or 0)
      end
    end
    tasks[100] = function()
      rig.wait(n, function() return n:stats().groups.g.waiters == 100 end, 20, "all wait")
      first:close()
      r:open "g"
    end
    http.together(tasks)
    assert.same({ 99, 1 }, { good, r:total() })
    rig.stop(n)
  end)
end)

describe("a thousand getters that end badly", function()
  it("leave no load behind, and the node works on", function()
    -- The last one fills the memory of its VM, which takes a while.
    local ways = { "error 'oh'", "error {}", "return {}", "return nil, 'no'",
      "local t = nil t.x = 1", "return ('x'):rep(2e6)", "local function f() return f() + 1 end f()",
      "return key, nil, 'soon'", "groupcache.spawn(error) return groupcache.sleep(-1)",
      "local t = {} for i = 1, 1e9 do t[i] = ('y'):rep(1000) .. i end" }
    local tries = {}
    for i, way in ipairs(ways) do
      tries[i] = ("ways[%d] = function(key) %s end"):format(i, way)
    end
    local _, n = rig.start([[
      local groupcache = require "groupcache"
      local ways = {}
      ]] .. table.concat(tries, "\n") .. [[
      groupcache.group("g", { timeout = 1, max_value_bytes = "1MB", max_waiting = 4096,
        getter = function(key) return ways[tonumber(key:match "%d+$")](key) end })
      groupcache.group("good", { getter = function(key) return "v:" .. key end })
    ]], { args = { "--workers", "2", "--vm-bytes", "64MiB", "--log-level", "error" } })
    math.randomseed(1)
    local requests, good = {}, 0
    for i = 1, 1000 do
      local way = i % 50 == 0 and #ways or math.random(#ways - 1)
      requests[i] = { host = n.host, port = n.port, timeout = 60,
        target = ("/cache/g/%d-%d"):format(i, way) }
    end
    for _, res in ipairs(http.parallel(requests, 100)) do
      good = good + (res.status == 200 and 1 or 0)
    end
    assert.equal(0, good)
    assert.equal("v:k", assert(n:get("good", "k")).body)
    eventually(function()
      local g = n:stats().groups.g
      return g.flights == 0 and g.waiters == 0
    end, 10, "no load is left")
    rig.stop(n)
  end)
end)

describe("a time of day that jumps by a day", function()
  it("makes no value expire early or late, also one of a peer", function()
    local f, why = faults.new()
    if not f then
      pending(why)
      return
    end
    local nodes = node.cluster(2, { env = f.env, script = [[
      local calls = 0
      require("groupcache").group("g", { ttl = 100, ttl_jitter = 0, hot = "always",
        getter = function() calls = calls + 1 return tostring(calls) end })
      return { workers = 1 }
    ]] })
    local urls = { nodes[1].url, nodes[2].url }
    local key = rig.owned_by(urls, urls[2], "k")
    local function value()
      return assert(nodes[1]:get("g", key)).body
    end
    local function ttl()
      return tonumber(assert(nodes[1]:get("g", key)).headers["cache-control"]:match "%d+")
    end
    local first = value()
    for _, jump in ipairs { 86400, -86400, 0 } do
      f:step_wall(jump)
      assert.equal(first, value())
      assert(ttl() <= 100 and ttl() > 90, ttl())
    end
    f:step_wall(-86400)
    f:advance(101)
    assert.not_equal(first, value())
    rig.stop_all(nodes)
  end)
end)

describe("a node with few descriptors", function()
  it("neither spins nor fills its log while a thousand connect, and then serves at once", function()
    local wrapped = tmp.file(("#!/bin/sh\nulimit -n 800\nexec %s \"$@\"\n"):format(node.binary),
      "wrapped")
    assert.equal(0, process.run({ "chmod", "+x", wrapped }).code)
    local n = node.start { program = wrapped, script = [[
      require("groupcache").group("g", { getter = function(key) return key end })
      return { workers = 1, http_threads = 1 }
    ]] }
    local held = {}
    for i = 1, 1000 do
      held[i] = socket.tcp()
      held[i]:settimeout(0)
      held[i]:connect(n.host, n.port)
    end
    local function ticks()
      local fields = {}
      for field in tmp.read(("/proc/%s/stat"):format(n.process.pid)):gsub("^.*%) ", "")
        :gmatch "%S+" do
        fields[#fields + 1] = field
      end
      return tonumber(fields[12]) + tonumber(fields[13]) -- of 10 ms each
    end
    local before, began = ticks(), socket.gettime()
    for _ = 1, 100 do -- it serves meanwhile, or says that it cannot
      local res = n:get("g", "k", { timeout = 5 })
      assert(not res or res.status == 200 or res.status == 503, res and res.status)
    end
    local share = (ticks() - before) / 100 / math.max(socket.gettime() - began, 0.5)
    assert(share < 0.8, share)
    for _, sock in ipairs(held) do
      sock:close()
    end
    eventually(function()
      local res = n:get("g", "k", { timeout = 1 })
      return res and res.status == 200
    end, 1, "it serves")
    local _, lines = n:log():gsub("\n", "")
    assert(lines < 100, lines)
    rig.stop(n)
  end)
end)

-- Names are asked of a server that takes every question and says nothing. All of it is in a network
-- of its own.
describe("a peer whose name is never answered", function()
  it("holds up no other load", function()
    if SAN or process.run { "unshare", "-nm", "true" }.code ~= 0 then
      pending "no namespaces can be made here, or a sanitizer is on"
      return
    end
    local dir = tmp.dir()
    tmp.write(dir .. "/resolv.conf", "nameserver 127.0.0.1\noptions timeout:5 attempts:3\n")
    local sink = tmp.file([[
      local s = assert(require("socket").udp())
      assert(s:setsockname("127.0.0.1", 53))
      while true do s:receive() end
    ]], "sink.lua")
    local port = ports.free()
    local self = ("http://127.0.0.1:%d"):format(port)
    local lost = "http://lost.example:80"
    local script = tmp.file([[
      require("groupcache").group("g", { timeout = 5, getter = function(key) return key end })
      return { workers = 1 }
    ]], "node.lua")
    local probe = tmp.file(([[
      package.path = "./spec/?.lua;" .. package.path
      local http = require "support.http"
      local socket = require "socket"
      local function get(key)
        local began = socket.gettime()
        local res = http.get("%s/cache/g/" .. key, { timeout = 10 })
        return res and res.status, socket.gettime() - began
      end
      local until_s = socket.gettime() + 10
      while get "up" ~= 200 and socket.gettime() < until_s do socket.sleep(0.02) end
      local worst = 0
      for i = 1, 200 do
        local status, took = get("k" .. i)
        assert(status == 200, status)
        worst = math.max(worst, i > 20 and took or 0)
      end
      print(("worst %%.3f"):format(worst))
    ]]):format(self), "probe.lua")
    local run = process.run { "unshare", "-nm", "sh", "-c", ([[
      mount --bind %s/resolv.conf /etc/resolv.conf && ip link set lo up || exit 9
      luajit %s & sink=$!
      %s %s --listen 127.0.0.1:%d --self %s --peers %s,%s --log-level error & node=$!
      luajit %s; code=$?
      kill $node $sink; wait $node
      exit $code
    ]]):format(dir, sink, node.binary, script, port, self, self, lost, probe), timeout = 60 }
    assert(run.code == 0, run.stdout .. run.stderr)
    local worst = tonumber(run.stdout:match "worst ([%d.]+)")
    assert(worst < 4, run.stdout) -- a name takes 5 s
  end)
end)
