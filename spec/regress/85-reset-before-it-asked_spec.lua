-- SPDX-License-Identifier: MIT

-- A node that ended waited for requests, and not for connections that it had taken a moment ago and
-- that had not asked yet. Their clients were reset, also if another process served the socket next.

local eventually = require "support.eventually"
local node = require "support.node"
local socket = require "socket"

describe("a connection that was taken a moment before the end", function()
  local n, c, taken

  before_each(function()
    n = node.start { script = [[
      require("groupcache").group("g", { getter = function(key) return "value of " .. key end })
    ]] }
    c, taken = n:connect(), socket.gettime()
    eventually(function() return n:stats().http.connections >= 2 end, 5, "it is taken")
    n:signal "SIGTERM"
  end)

  after_each(function()
    c:close()
    n:kill9()
  end)

  local function refused()
    local other, err = socket.connect(n.host, n.port)
    if other then
      other:close()
    end
    return err == "connection refused"
  end

  it("is answered", function()
    eventually(refused, 5, "no new connection is taken")
    eventually(function() -- it has a second
      return socket.gettime() > taken + 0.4 or not n.process:alive()
    end, 5, "a while")
    assert(c:send "GET /cache/g/k HTTP/1.1\r\nHost: node\r\n\r\n")
    assert.equal("HTTP/1.1 200 OK", c:receive "*l")
    assert.equal(0, n.process:wait(10))
  end)

  it("and that asks nothing holds up the end for a second at most", function()
    local began = socket.gettime()
    assert.equal(0, n.process:wait(10))
    assert.is_true(socket.gettime() - began < 5)
  end)
end)
