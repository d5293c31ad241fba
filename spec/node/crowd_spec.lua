-- SPDX-License-Identifier: MIT

-- A node with more clients than it has places, and with clients that are slow: who is served, who
-- is told to come again, who is closed. What a client sees is counted and logged.

local cjson = require "cjson"
local eventually = require "support.eventually"
local faults = require "support.faults"
local http = require "support.http"
local node = require "support.node"
local rig = require "node.rig"
local socket = require "socket"

local SCRIPT = [[
local groupcache = require "groupcache"
groupcache.group("g", { writable = true, timeout = 30, getter = function(key)
  if key:find "^held" then rig.gate "held" end
  return "v:" .. key
end })
groupcache.group("big", { max_value_bytes = "16MB", cache_bytes = "1MB", getter = function(key)
  return ("x"):rep(tonumber(key:match "^%d+"))
end })
]]

local r, n, held

local function start(opts)
  r, held = rig.new(), {}
  opts.script = r:script(SCRIPT)
  n = node.start(opts)
end

local function finish()
  r:open "held"
  for _, sock in ipairs(held) do
    sock:close()
  end
  rig.stop(n)
end

-- A connection that has sent these bytes.
local function open(bytes)
  local sock = assert(socket.connect(n.host, n.port))
  held[#held + 1] = sock
  assert(sock:send(bytes or ""))
  return sock
end

local function is_closed(sock)
  sock:settimeout(0)
  local _, why = sock:receive(1)
  return why == "closed"
end

-- The connections of the start may still be counted.
local function wait_for(name, count)
  return eventually(function() return n:stats().http[name] == count end, 5, name)
end

describe("a node with ten places", function()
  before_each(function() start { args = { "--max-connections", "10", "--http-threads", "2" } } end)
  after_each(finish)

  it("lets the oldest idle connection give way to a new one", function()
    local kept = {}
    for i = 1, 10 do
      kept[i] = assert(http.connect(n.host, n.port))
      assert.equal(200, assert(kept[i]:request { target = "/cache/g/k" }).status)
    end
    for i = 1, 20 do
      assert.equal(200, assert(n:get("g", "k")).status, i)
    end
    assert.is_true(n:stats().http.gave_way > 0)
    assert.equal(0, n:stats().http.refused)
    for _, c in ipairs(kept) do
      c:close()
    end
  end)

  it("serves others while forty connections say nothing", function()
    for _ = 1, 40 do
      open()
    end
    eventually(function() return n:stats().http.gave_way >= 30 end, 5, "all of them came in")
    for i = 1, 20 do
      assert.equal(200, assert(n:get("g", "k")).status, i)
    end
    eventually(function() return n:logged "limits were reached\" .*gave_way=%d" end, 5, "a line")
  end)

  it("refuses clients while all are busy, within 10 ms, and serves peers and operators", function()
    for i = 1, 10 do
      open(("GET /_groupcache/g/held%d HTTP/1.1\r\nHost: x\r\n\r\n"):format(i))
    end
    wait_for("parked", 10)
    local began = socket.gettime()
    local res = assert(n:get("g", "k"))
    local took = socket.gettime() - began
    assert.equal(503, res.status)
    assert.equal("BUSY", cjson.decode(res.body).code)
    assert.is_truthy(tonumber(res.headers["retry-after"]))
    assert.is_false(res.keep_alive)
    assert(took < 1, took) -- 10 ms on a machine without other work
    for _, target in ipairs { "/healthz", "/readyz", "/stats", "/_groupcache/g/k" } do
      assert.equal(200, assert(n:request { target = target }).status, target)
    end
    eventually(function() return n:logged "limits were reached\" .*refused=1" end, 5, "a line")
    r:open "held"
    eventually(function() return assert(n:get("g", "k")).status == 200 end)
  end)

end)

describe("a node with forty places", function()
  before_each(function() start { args = { "--max-connections", "40", "--http-threads", "2" } } end)
  after_each(finish)

  it("serves hits while as many misses wait as may, and refuses further misses", function()
    assert.equal(200, assert(n:get("g", "k")).status)
    for i = 1, 34 do
      open(("GET /cache/g/held%d HTTP/1.1\r\nHost: x\r\n\r\n"):format(i))
    end
    eventually(function() return n:stats().http.parked + n:stats().http.unparked == 34 end)
    assert.equal(30, n:stats().http.parked)
    for i = 1, 20 do
      local res = assert(n:get("g", "miss" .. i))
      assert.equal(503, res.status)
      assert.equal("BUSY", cjson.decode(res.body).code)
      assert.is_truthy(tonumber(res.headers["retry-after"]))
      assert.equal(200, assert(n:get("g", "k")).status)
    end
    eventually(function() return n:logged "limits were reached\" .*unparked=%d" end, 5, "a line")
  end)
end)

describe("a client that is slow", function()
  local f, why = faults.new()
  if not f then
    pending(why)
    return
  end

  before_each(function() start { env = f.env } end)
  after_each(finish)

  it("has ten seconds for its first byte", function()
    local silent = open()
    wait_for("connections", 2) -- with the one that asks
    f:advance(8)
    assert.equal(200, assert(n:get("g", "k")).status)
    assert.is_false(is_closed(silent))
    f:advance(3)
    eventually(function() return is_closed(silent) end, 5, "the end of the silent one")
    assert.equal(1, n:stats().http.late_heads)
  end)

  it("has five seconds for its head, and gets 408", function()
    for _, head in ipairs { "G", "GET /cache/g/k HTT",
      "GET /cache/g/k HTTP/1.1\r\nHost: x\r\nX" } do
      local slow = open(head)
      wait_for("connections", 2)
      f:advance(6)
      local answer = eventually(function()
        slow:settimeout(0)
        local text, err, part = slow:receive "*a"
        text = text or part
        return (text ~= "" or err == "closed") and text
      end, 5, "an answer")
      assert.matches("^HTTP/1.1 408 ", answer)
    end
    assert.equal(3, n:stats().http.late_heads)
    eventually(function() return n:logged "limits were reached\" .*late_heads=%d" end, 5, "a line")
  end)

  it("has five seconds for a later head, too, if it drips", function()
    local slow = open "GET /cache/g/k HTTP/1.1\r\nHost: x\r\n\r\n"
    assert.equal("HTTP/1.1 200 OK", (assert(slow:receive "*l")))
    local closed = false
    eventually(function() -- a byte now and then; time passes quickly
      f:advance(1)
      if not slow:send "G" then
        closed = true
      end
      return closed or n:stats().http.late_heads == 1
    end, 30, "the end of a dripping head")
    assert.equal(1, n:stats().http.late_heads)
  end)

  it("has ten seconds for a body, and more as its bytes arrive", function()
    local slow = open "PUT /cache/g/k HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nab"
    wait_for("active", 2) -- with the one that asks
    f:advance(9)
    assert.equal(200, assert(n:get("g", "k")).status)
    assert.is_false(is_closed(slow))
    assert(slow:send(("x"):rep(20000)))
    eventually(function() return n:stats().http.body_bytes >= 20000 end, 5, "more of the body")
    f:advance(15)
    assert.equal(200, assert(n:get("g", "k")).status)
    assert.equal(0, n:stats().http.late_bodies)
    f:advance(8)
    eventually(function() return is_closed(slow) or n:stats().http.late_bodies == 1 end, 5, "408")
    assert.equal(1, n:stats().http.late_bodies)
    eventually(function() return n:stats().http.body_bytes == 0 end)
  end)

  it("has thirty seconds for an answer, and a second for each 100 KB", function()
    open "GET /cache/big/12000000-a HTTP/1.1\r\nHost: x\r\n\r\n"
    eventually(function() return n:stats().http.held_bytes >= 12000000 end, 5, "an answer")
    f:advance(140)
    assert.equal(200, assert(n:get("g", "k")).status)
    assert.equal(0, n:stats().http.late_readers)
    f:advance(15)
    eventually(function() return n:stats().http.held_bytes == 0 end, 5, "the end of the answer")
    assert.equal(1, n:stats().http.late_readers)
  end)

  it("that has asked and is served is not hurried by its idle time", function()
    local c = assert(http.connect(n.host, n.port))
    for _ = 1, 5 do
      assert.equal(200, assert(c:request { target = "/cache/g/k" }).status)
      f:advance(20)
      assert.equal(200, assert(n:get("g", "k")).status)
    end
    c:close()
  end)
end)

describe("readers that stop", function()
  before_each(function() start { args = { "--workers", "1" } } end)
  after_each(finish)

  local function stop_at(key)
    local sock = open(("GET /cache/big/%s HTTP/1.1\r\nHost: x\r\n\r\n"):format(key))
    return (assert(sock:receive "*l"))
  end

  it("hold 64 MB of values that no cache has; further ones are refused", function()
    local seen = {}
    for i = 1, 12 do
      local line = stop_at("12000000-" .. i)
      seen[line] = (seen[line] or 0) + 1
    end
    assert(seen["HTTP/1.1 200 OK"] >= 5)
    local stats = n:stats().http
    assert(stats.held_bytes <= 64e6, stats.held_bytes)
    assert.equal(12, seen["HTTP/1.1 200 OK"] + (seen["HTTP/1.1 503 Service Unavailable"] or 0))
    assert.equal(seen["HTTP/1.1 503 Service Unavailable"] or 0, stats.unsent)
    eventually(function() return stop_at "12000000-z" == "HTTP/1.1 200 OK" end, 5, "a place")
    assert.is_true(n:stats().http.slow_readers > 0)
    eventually(function()
      return n:logged "limits were reached\" .*slow_readers=%d"
    end, 5, "a line")
  end)

  it("hold a value that many of them read once", function()
    for _ = 1, 20 do
      open("GET /cache/big/12000000-same HTTP/1.1\r\nHost: x\r\n\r\n")
    end
    -- As many loads as it takes: the value is not stored. Those that share a load share the value.
    eventually(function() return n:stats().http.active == 21 or n:stats().http.unsent > 0 end)
    assert(n:stats().http.held_bytes <= 64e6)
  end)

  it("of long lists hold no more than bodies and values may have together", function()
    if (os.getenv "SAN" or "") ~= "" then
      pending "too slow with a sanitizer"
      return
    end
    local keys = {}
    for i = 1, 7 do
      keys[i] = ('"8000000-%d"'):format(i)
    end
    local body = "[" .. table.concat(keys, ",") .. "]"
    for _ = 1, 6 do
      open(("POST /cache/big HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s")
        :format(#body, body))
    end
    local most = 0
    eventually(function() -- every list is being sent, or was refused
      local stats = n:stats().http
      most = math.max(most, stats.body_bytes)
      return stats.parked == 0 and stats.held_bytes > 0
        and stats.unheld + stats.unsent + stats.slow_readers > 0
    end, 20, "lists")
    assert(most <= 256 * 1024 * 1024, most)
    assert(n:stats().http.held_bytes <= 100e6)
    assert.equal(200, assert(n:get("g", "k")).status)
    for _, sock in ipairs(held) do
      sock:close()
    end
    eventually(function() return n:stats().http.body_bytes == 0 end, 5, "all is given back")
  end)

  it("do not slow the others", function()
    for i = 1, 5 do
      stop_at("12000000-" .. i)
    end
    assert.equal(200, assert(n:get("g", "k")).status)
    for _ = 1, 100 do
      local began = socket.gettime()
      assert.equal(200, assert(n:get("g", "k")).status)
      assert(socket.gettime() - began < 10)
    end
  end)
end)
