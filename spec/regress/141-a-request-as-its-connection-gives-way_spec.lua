-- SPDX-License-Identifier: MIT

-- A thread has read a request and not yet begun it. If its connection gave way to a new one then,
-- the client got no answer, and the connection was not counted while its request was under way.

local C = require("support.unit").load("http/crowd.h", "http/tally.h")
local ffi = require "ffi"
local socket = require "socket"

describe("a connection that gives way while its request begins", function()
  local crowd, tally, listener, clients, servers, guests

  before_each(function()
    tally, crowd = ffi.new "struct tally", ffi.new "struct crowd"
    listener = assert(socket.bind("127.0.0.1", 0))
    clients, servers, guests = {}, {}, {}
    C.crowd_init(crowd, 1, tally)
  end)
  after_each(function()
    for _, g in ipairs(guests) do
      C.crowd_leave(g)
    end
    C.crowd_stop()
    C.crowd_deinit(crowd)
    for _, list in ipairs { clients, servers, { listener } } do
      for _, sock in ipairs(list) do
        sock:close()
      end
    end
  end)

  local function enter()
    local i, g = #guests + 1, ffi.new "struct guest"
    local host, port = listener:getsockname()
    clients[i] = assert(socket.connect(host, port))
    servers[i] = assert(listener:accept())
    clients[i]:settimeout(5)
    servers[i]:settimeout(5)
    guests[i] = g
    C.crowd_enter(crowd, g, nil, servers[i]:getfd(), 0)
    return g
  end

  it("is answered, counted again, and closed", function()
    local old = enter()
    assert.equal(1, crowd.n)
    enter()
    assert.equal(1, crowd.n)
    assert.equal(1, old.gave_way)
    assert.is_true(tally.gave_way == 1)

    old.turns = old.turns + 1
    assert.equal(1, C.crowd_may_ask(old, 0))
    assert.equal(0, old.gave_way)
    assert.equal(1, crowd.n) -- the other one gave way, which is idle
    assert(servers[1]:send "answer")
    assert.equal("answer", clients[1]:receive(6))
    assert.equal("closed", (select(2, servers[1]:receive(1))))
  end)

  it("takes nobody else's place, if it has asked before", function()
    local old = enter()
    old.turns = 2
    local new = enter()
    old.turns = old.turns + 1
    assert.equal(1, C.crowd_may_ask(old, 0))
    assert.equal(0, new.gave_way) -- its request may be on its way
    assert.equal(2, crowd.n)
    enter()
    assert.equal(1, new.gave_way)
  end)
end)
