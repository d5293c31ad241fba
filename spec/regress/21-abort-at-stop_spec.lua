-- SPDX-License-Identifier: MIT

-- A node that was told to end while its clients went on asking could abort: two threads took the
-- listening socket out of the same epoll set.

local http = require "support.http"
local node = require "support.node"

describe("a node that is told to end while clients ask", function()
  it("ends well each time", function()
    for _ = 1, 15 do
      local n = node.start { script = [[
        require("groupcache").group("g", { getter = function(key) return key end })
      ]] }
      local clients = {}
      for i = 1, 4 do
        clients[i] = function()
          repeat
            local res = http.request { host = n.host, port = n.port, timeout = 5,
              target = "/cache/g/k" .. i }
          until not res
        end
      end
      clients[5] = function()
        for i = 1, 20 do
          http.request { host = n.host, port = n.port, target = "/cache/g/w" .. i, timeout = 5 }
        end
        n.process:kill "SIGTERM"
      end
      http.together(clients)
      assert.equal(0, (n:stop()))
    end
  end)
end)
