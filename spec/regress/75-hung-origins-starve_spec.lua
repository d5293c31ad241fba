-- SPDX-License-Identifier: MIT

-- Getters at nine origins that never answered held all connections of the network thread. Loads at
-- peers waited for one until their deadline, and so did getters at a healthy origin.

local eventually = require "support.eventually"
local http = require "support.http"
local node = require "support.node"
local rig = require "node.rig"
local socket = require "socket"

local ORIGINS, EACH = 9, 64

local SCRIPT = [[
local groupcache = require "groupcache"
local http = require "groupcache.http"
groupcache.group("hung", { local_only = true, timeout = 20, max_loads = 1000, getter = function(key)
  local url = "http://127.0.0.1:" .. key:match "^%d+" .. "/"
  local answer, err, code = http.get(url, { timeout = 20 })
  return answer and answer.body, err, code
end })
groupcache.group("g", { hot = "never", getter = function(key) return key end })
return { workers = 1, http_threads = 1 }
]]

describe("while 576 getters wait for nine origins that hang", function()
  local nodes, origins, clients

  setup(function()
    nodes, origins, clients = node.cluster(2, { script = SCRIPT }), {}, {}
    for i = 1, ORIGINS do
      local s = assert(socket.bind("127.0.0.1", 0, 200))
      origins[i] = s
      local _, port = s:getsockname()
      for k = 1, EACH do
        local c = assert(socket.connect(nodes[1].host, nodes[1].port))
        assert(c:send(("GET /cache/hung/%d-%d HTTP/1.1\r\nHost: a\r\n\r\n"):format(port, k)))
        clients[#clients + 1] = c
      end
    end
    eventually(function()
      return nodes[1]:stats().groups.hung.flights == ORIGINS * EACH
    end, 10, "all getters run")
  end)

  teardown(function()
    for _, list in ipairs { clients, origins } do
      for _, s in ipairs(list) do
        s:close()
      end
    end
    for _, n in ipairs(nodes) do
      n:signal "SIGINT"
      n:stop()
    end
  end)

  it("peers are asked at once", function()
    local urls = { nodes[1].url, nodes[2].url }
    for i = 1, 20 do
      local key = rig.owned_by(urls, nodes[2].url, "key" .. i)
      local began = socket.gettime()
      local res = assert(nodes[1]:get("g", key))
      assert.same({ 200, "peer" }, { res.status, res.headers["x-cache"] })
      assert(socket.gettime() - began < 9)
    end
  end)

  it("a healthy origin is asked at once", function()
    local port = nodes[2].port
    local began = socket.gettime()
    local res = assert(http.get(nodes[1].url .. "/cache/hung/" .. port .. "-healthy"))
    assert.equal(200, res.status)
    assert(socket.gettime() - began < 9)
  end)
end)
