-- SPDX-License-Identifier: MIT

local C = require("support.unit").load("http/idle.h")
local socket = require "socket"

describe("a socket", function()
  it("is not idle when it is new, or has just received", function()
    local listener = assert(socket.bind("127.0.0.1", 0))
    local host, port = listener:getsockname()
    local client = assert(socket.connect(host, port))
    local server = assert(listener:accept())
    assert.is_true(C.idle_ms(server:getfd()) < 60000)
    assert(client:send "x")
    assert.equal("x", server:receive(1))
    assert.is_true(C.idle_ms(server:getfd()) < 60000)
    for _, s in ipairs { client, server, listener } do
      s:close()
    end
  end)

  it("of another kind than TCP is never idle", function()
    assert.equal(0, C.idle_ms(-1))
    assert.equal(0, C.idle_ms(0))
  end)
end)

describe("a thread without connections", function()
  it("has nothing to do", function()
    assert.equal(0xffffffffffffffffULL, C.idle_due_ms())
    C.idle_sweep(1)
    C.idle_deinit()
  end)
end)
