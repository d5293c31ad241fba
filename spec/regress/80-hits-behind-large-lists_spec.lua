-- SPDX-License-Identifier: MIT

-- An answer to a list of large values was written at once. The other connections of that thread
-- waited for it: 200 ms for seven values of 8 MB.

local http = require "support.http"
local node = require "support.node"
local rig = require "node.rig"
local socket = require "socket"

local VALUES = 7

describe("while a list of large values is answered", function()
  it("hits of the same thread are answered, too", function()
    local n = node.start { script = [[
      local groupcache = require "groupcache"
      groupcache.group("g", { getter = function(key) return key end })
      groupcache.group("big", { cache_bytes = "128MB", max_value_bytes = "8MB", getter = function()
        return ("x"):rep(8000000)
      end })
      return { workers = 1, http_threads = 1 }
    ]] }
    local keys = {}
    for i = 1, VALUES do
      assert.equal(200, assert(n:get("big", "k" .. i)).status)
      keys[i] = ('"k%d"'):format(i)
    end
    assert.equal(200, assert(n:get("g", "hit")).status)
    local body, hits = "[" .. table.concat(keys, ",") .. "]", 0
    local list, c = n:connect(), assert(http.connect(n.host, n.port))
    assert(list:send(("POST /cache/big HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s"):format(
      #body, body)))
    while #socket.select({ list }, nil, 0) == 0 do -- until the answer begins
      assert.equal(200, assert(c:request { target = "/cache/g/hit" }).status)
      hits = hits + 1
    end
    assert(hits >= VALUES, hits) -- one at most if it is written at once
    assert.equal("HTTP/1.1 200 OK", list:receive())
    list:close()
    c:close()
    rig.stop(n)
  end)
end)
