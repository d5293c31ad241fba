-- SPDX-License-Identifier: MIT

-- On a slow link, a set that its sender had given up arrived at the owner after a later set, which
-- another node had confirmed, and replaced it. The owner saw no end of the connection yet: that was
-- behind the set on the link.

local eventually = require "support.eventually"
local fake = require "node.fake"
local http = require "support.http"
local links = require "chaos.links"
local messages = require "support.messages"
local node = require "support.node"
local ports = require "support.ports"
local rig = require "node.rig"
local socket = require "socket"

local LATE_MS = 3000 -- the sender waits 250 ms for the owner

local SCRIPT = [[
  require("groupcache").group("g", { writable = true, timeout = 0.5, hot = "never",
    getter = function() return "origin" end })
  return { workers = 1, http_threads = 1 }
]]

describe("a set that comes after its sender has given it up", function()
  local owner, sender, link, door

  before_each(function()
    local port = ports.free()
    door = "127.0.2.1:" .. port
    link = links.new(1)
    link:add(door, "127.0.1.1:" .. port)
    link:wait()
    local port2 = ports.free()
    local urls = { "http://" .. door, "http://127.0.1.2:" .. port2 }
    local function start(host, its_port, url)
      return node.start { script = SCRIPT, host = host, port = its_port, self = url, peers = urls,
        args = { "--peer-changes", "127.0.0.0/8" } }
    end
    owner = start("127.0.1.1", port, urls[1])
    sender = start("127.0.1.2", port2, urls[2])
    owner.key = rig.owned_by(urls, urls[1], "k")
  end)

  after_each(function()
    rig.stop_all { owner, sender }
    link.process:stop()
  end)

  local function set(n, value)
    return assert(n:get("g", owner.key, { method = "PUT", body = value })).status
  end

  local function late(ms)
    link:set(door, { delay_ms = ms })
  end

  it("does not replace a later one", function()
    eventually(function() return set(sender, "early") == 204 end, 20, "a set by a good link")
    late(LATE_MS)
    -- Else the set could still come in time, and its answer late.
    eventually(function()
      local host, port = door:match "^(.+):(%d+)$"
      return not http.request { host = host, port = tonumber(port), target = "/readyz",
        timeout = 1 }
    end, 20, "a late link")
    eventually(function() return set(sender, "late") == 502 end, 20, "a set by a bad link")
    local sets = owner:stats().groups.g.sets
    assert.equal(204, set(owner, "new"))
    eventually(function()
      return owner:logged "the set came later than its sender waits for it"
        or owner:stats().groups.g.sets > sets + 1
    end, 40, "the late set")
    assert.equal(sets + 1, owner:stats().groups.g.sets)
    assert.not_equal("late", owner:get("g", owner.key).body)
    late(0)
    eventually(function() return sender:stats().unconfirmed == 0 end, 40, "the removal")
  end)
end)

describe("a node", function()
  it("carries out no set behind its time, or with a time that says nothing", function()
    local n = node.start { script = SCRIPT, args = { "--peer-changes", "127.0.0.1" } }
    local function set(value, till)
      local res = assert(n:request { method = "POST", target = "/_groupcache/g",
        headers = { ["X-Groupcache-From"] = "http://127.0.0.1:1" },
        body = messages.batch_request(3, { "k" }, value, nil, till) })
      return res.status, tonumber(res.headers["x-groupcache-clock"]),
        res.headers["x-groupcache-code"]
    end
    local function value()
      return assert(n:get("g", "k")).body
    end
    local status, clock, code = set("no time", 0)
    assert.same({ 500, "TIMEOUT" }, { status, code }) -- Go's callers of this dialect see that, too
    assert.equal(500, (set("past", clock - 1)))
    assert.equal(500, (set("of another process", clock + 10 * 60 * 1000)))
    assert.equal("origin", value())
    assert.equal(200, (set("in time", clock + 30 * 1000)))
    assert.equal("in time", value())
    assert.equal(200, (set("by an older node")))
    assert.equal("by an older node", value())
    rig.stop(n)
  end)

  -- The bytes may be on their way still, behind a proxy.
  it("does not give up a set at the end of the connection, before its owner would", function()
    local f = fake.start [[
      local socket = require "socket"
      local sets = 0
      return function(request, c)
        local head, clock = "HTTP/1.1 200 OK\r\n", socket.gettime() * 1000 + 77000
        if request.method == "POST" and request.body:sub(1, 2) == "\8\3" then
          sets = sets + 1
          if sets > 1 then return c:close() end
          head = "HTTP/1.1 504 Gateway Timeout\r\nX-Groupcache-Code: TIMEOUT\r\n"
        end
        c:send(head .. ("X-Groupcache-Clock: %.0f\r\nX-Groupcache-Node: 1\r\n"):format(clock)
          .. "Content-Length: 0\r\n\r\n")
      end
    ]]
    local port = ports.free()
    local url = "http://127.0.0.1:" .. port
    local n = node.start { port = port, self = url, peers = { url, f.url }, script = [[
      require("groupcache").group("g", { writable = true, timeout = 2,
        getter = function() return "origin" end })
    ]] }
    local began = socket.gettime()
    local res = assert(n:get("g", rig.owned_by({ url, f.url }, f.url, "k"),
      { method = "PUT", body = "v", timeout = 20 }))
    assert.equal(502, res.status)
    assert(socket.gettime() - began > 0.7, socket.gettime() - began)
    rig.stop(n)
    f:stop()
  end)
end)
