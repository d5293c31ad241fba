-- SPDX-License-Identifier: MIT

local C = require("support.unit").load("http/crowd.h")
local socket = require "socket"

describe("a socket", function()
  it("is not idle when it is new, or has just received", function()
    local listener = assert(socket.bind("127.0.0.1", 0))
    local host, port = listener:getsockname()
    local client = assert(socket.connect(host, port))
    local server = assert(listener:accept())
    assert.is_true(C.crowd_idle_ms(server:getfd()) < 60000)
    assert(client:send "x")
    assert.equal("x", server:receive(1))
    assert.is_true(C.crowd_idle_ms(server:getfd()) < 60000)
    for _, s in ipairs { client, server, listener } do
      s:close()
    end
  end)

  it("of another kind than TCP is never idle", function()
    assert.equal(0, C.crowd_idle_ms(-1))
    assert.equal(0, C.crowd_idle_ms(0))
    assert.is_true(C.crowd_acked(-1) == 0xffffffffffffffffULL)
  end)
end)

describe("a thread without connections", function()
  it("has nothing to do", function()
    assert.equal(0xffffffffffffffffULL, C.crowd_due_ms())
    C.crowd_sweep(1)
    C.crowd_stop()
  end)
end)
