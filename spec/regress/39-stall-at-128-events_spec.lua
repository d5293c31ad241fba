-- SPDX-License-Identifier: MIT

-- libmicrohttpd takes 128 events at a time. When exactly so many connections had something to say,
-- its own threads waited for another event before they served any of them.

local node = require "support.node"
local socket = require "socket"

local REQUEST = "GET /cache/g/k HTTP/1.1\r\nHost: x\r\n\r\n"

describe("connections that all ask at the same moment", function()
  local n

  setup(function()
    n = node.start { args = { "--http-threads", "1" }, script = [[
      require("groupcache").group("g", { getter = function() return "value" end })
    ]] }
    assert.equal(200, n:get("g", "k").status)
  end)

  teardown(function()
    n:stop()
  end)

  for _, count in ipairs { 127, 128, 129, 256 } do
    it(("are all served, %d of them"):format(count), function()
      local conns = {}
      for i = 1, count do
        conns[i] = assert(socket.connect(n.host, n.port))
        conns[i]:settimeout(10)
        assert(conns[i]:send(REQUEST))
        assert(conns[i]:receive "*l") -- it is served by now, and known to the node
        repeat
          local line = assert(conns[i]:receive "*l")
        until line == ""
        assert.equal("value", conns[i]:receive(5))
      end
      n.process:freeze()
      for _, conn in ipairs(conns) do
        assert(conn:send(REQUEST))
      end
      n.process:kill "SIGCONT"
      for _, conn in ipairs(conns) do
        assert.equal("HTTP/1.1 200 OK", conn:receive "*l")
      end
      for _, conn in ipairs(conns) do
        conn:close()
      end
    end)
  end
end)
