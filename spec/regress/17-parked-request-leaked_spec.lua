-- SPDX-License-Identifier: MIT

-- When a client closes its connection while the connection is parked, the node notices that only
-- with the answer. All that the request held must be freed then.

local eventually = require "support.eventually"
local node = require "support.node"
local rig = require "node.rig"
local socket = require "socket"

describe("a client that leaves while it waits", function()
  it("takes what its request held with it, and the value is kept", function()
    local r = rig.new()
    local n = node.start { script = r:script [[
      require("groupcache").group("g", {
        getter = function(key)
          rig.record(key)
          rig.gate "open"
          if key == "none" then return nil end
          if key == "bad" then error "bad" end
          return ("v:" .. key):rep(20000)
        end,
      })
    ]] }
    local keys = { "a", "a", "a", "b", "c", "none", "bad", "d" }
    local conns = {}
    for i, key in ipairs(keys) do
      local face = i % 2 == 0 and "/_groupcache/g/" or "/cache/g/"
      conns[i] = assert(socket.connect(n.host, n.port))
      assert(conns[i]:send(("GET %s%s HTTP/1.1\r\nHost: x\r\n\r\n"):format(face, key)))
    end
    eventually(function() return n:stats().groups.g.waiters == #keys end, 10, "all wait")
    for i, conn in ipairs(conns) do
      if i % 2 == 0 then
        conn:setoption("linger", { on = true, timeout = 0 }) -- ends with a reset
      end
      conn:close()
    end
    r:open "open"
    eventually(function() return n:stats().groups.g.flights == 0 end, 10, "all loads end")
    for _, key in ipairs { "a", "b", "c", "d" } do
      assert.equal("main", assert(n:get("g", key)).headers["x-cache"])
    end
    assert.same({ a = 1, b = 1, c = 1, d = 1, none = 1, bad = 1 }, r:calls())
    assert.equal(0, n:stats().groups.g.waiters)
    assert.equal(0, (n:stop()))
  end)
end)
