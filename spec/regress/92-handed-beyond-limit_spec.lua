-- SPDX-License-Identifier: MIT

-- A node that stops sends up to a megabyte of values in one request. A node whose groups have small
-- values and whose keys are short took no requests of that length, so nothing was handed over.

local node = require "support.node"
local ports = require "support.ports"
local rig = require "node.rig"

local KEYS = 600

describe("items that are handed over", function()
  local r, nodes = rig.new(), {}

  teardown(function() rig.stop_all(nodes) end)

  it("may be longer together than any other request", function()
    local at, urls = { ports.free(), ports.free() }, {}
    for i = 1, 2 do
      urls[i] = "http://127.0.0.1:" .. at[i]
    end
    for i = 1, 2 do
      nodes[i] = node.start { port = at[i], self = urls[i], peers = urls, script = r:script [[
        require("groupcache").group("g", { cache_bytes = 2^26, max_value_bytes = 20000,
          getter = function(key) return key:rep(1800) end, hot = "never" })
      ]], args = { "--workers", 1, "--max-key-bytes", 16, "--drain-timeout", 10 } }
    end
    for k = 1, KEYS do
      assert.equal(200, assert(nodes[1]:get("g", "key " .. k)).status)
    end
    local held = nodes[1]:stats().groups.g.main.items
    nodes[1]:stop()
    local handed = tonumber(nodes[1]:log():match "next owners\" items=(%d+)")
    print(("%d items were held, %s were handed over"):format(held, tostring(handed)))
    assert.equal(held, handed)
  end)
end)
