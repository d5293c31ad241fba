-- SPDX-License-Identifier: MIT

-- A thousand clients each send their head a byte at a time, over and over. They are told after five
-- seconds, closed, and come again; meanwhile others are served.

local first = require "support.first"
local node = require "support.node"
local rig = require "node.rig"
local socket = require "socket"

local DRIPPERS, SECONDS, HEAD_S = 1000, 14, 5
local LATE_S = os.getenv "SAN" and 10 or 3 -- a thousand are closed one after another

describe("a thousand clients whose heads drip", function()
  local n

  setup(function()
    n = node.start { script = [[
      require("groupcache").group("g", { getter = function(key) return "v:" .. key end })
    ]], args = { "--max-connections", "1500", "--log-level", "error" } }
    if not first.put(n) then
      io.write "skipped: the threads that answer are not put first, so a busy machine is late\n"
    end
  end)

  teardown(function()
    rig.stop(n)
  end)

  it("are closed in time, and keep nobody else from being served", function()
    local HEAD = "GET /cache/g/k HTTP/1.1\r\nX-Long: " .. ("a"):rep(1000)
    local drippers, oldest, most, closed, told = {}, 0, 0, 0, 0
    local function open(i)
      local sock = assert(socket.connect(n.host, n.port))
      sock:settimeout(0)
      drippers[i] = { sock = sock, since = socket.gettime(), at = 0 }
    end
    -- false: it was closed.
    local function drip(d)
      d.at = d.at + 1
      local _, why = d.sock:send(HEAD:sub(d.at, d.at))
      local got, end_, part = d.sock:receive(8192)
      d.heard = (d.heard or "") .. (got or part or "")
      return why ~= "closed" and end_ ~= "closed"
    end
    for i = 1, DRIPPERS do
      open(i)
    end
    local ends, asked, slowest = socket.gettime() + SECONDS, 0, 0
    while socket.gettime() < ends do
      for i, d in ipairs(drippers) do
        if not drip(d) then
          closed, told = closed + 1, told + (d.heard:find("^HTTP/1.1 408 ") and 1 or 0)
          oldest = math.max(oldest, socket.gettime() - d.since)
          d.sock:close()
          open(i)
        end
        if i % 100 == 0 then
          local began = socket.gettime()
          local res = assert(n:get("g", "hit", { timeout = 5 }))
          assert.equal(200, res.status)
          asked, slowest = asked + 1, math.max(slowest, socket.gettime() - began)
        end
      end
      most = math.max(most, n:stats().http.connections)
    end
    for _, d in ipairs(drippers) do
      oldest = math.max(oldest, socket.gettime() - d.since)
      d.sock:close()
    end
    local late = n:stats().http.late_heads
    io.write(("%d closed, %d of them with 408, after %.1f s at most; %d hits, %.0f ms at most\n")
      :format(closed, told, oldest, asked, slowest * 1000))
    assert(closed >= DRIPPERS, closed .. " were closed")
    assert(told >= closed * 0.9, told .. " were told")
    assert(oldest < HEAD_S + LATE_S, oldest .. " s")
    assert(late >= closed, late .. " late heads were counted")
    assert(most <= 1500, most)
    assert(slowest < 1, slowest .. " s")
  end)
end)
