-- SPDX-License-Identifier: MIT

-- Of the sockets that a service manager passes, one of datagrams was left open and unused if it
-- stood beside good ones. A socket that would serve nobody must end the start.

local manager = require "support.manager"
local node = require "support.node"
local ports = require "support.ports"
local socket = require "socket"

describe("a socket of datagrams beside one for listen", function()
  it("is refused", function()
    local port = ports.free()
    local good, plain = manager.tcp(port, "listen"), socket.udp()
    plain:setsockname("127.0.0.1", 0)
    local n = node.start { ready = false, port = port, listen = false,
      pass = { good, { fd = plain:getfd(), name = "log" } },
      script = [[require("groupcache").group("g", { getter = function() return "v" end })]] }
    local status = n.process:wait(10)
    local log = n:log()
    if not status then
      n:kill9()
    end
    plain:close()
    good.sock:close()
    assert.equal(1, status, log)
    assert.matches("must be a listening stream socket", log, 1, true)
  end)
end)
