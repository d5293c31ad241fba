-- SPDX-License-Identifier: MIT

-- A node that took no changes was told again of each group by itself: beside a stopped node, 10,000
-- groups with a change each kept a core busy.

local eventually = require "support.eventually"
local fake = require "node.fake"
local lfs = require "lfs"
local node = require "support.node"
local ports = require "support.ports"
local rig = require "node.rig"
local socket = require "socket"
local tmp = require "support.tmp"

local GROUPS = 200

local SCRIPT = [[
  for i = 1, 200 do
    require("groupcache").group("g" .. i, { writable = true,
      getter = function(key) return key end })
  end
  return { workers = 1, http_threads = 1 }
]]

describe("a node that does not confirm changes of many groups", function()
  it("is told of one group at a time, and of all others when it has confirmed", function()
    local well = tmp.dir() .. "/well"
    local f = fake.start([[
      local lfs = require "lfs"
      return function(request, c)
        local fine = request.method ~= "POST" or lfs.attributes(os.getenv "WELL", "mode")
        c:send("HTTP/1.1 " .. (fine and "200 OK" or "500 Oh") .. "\r\nX-Groupcache-Node: 1\r\n"
          .. "Content-Length: 0\r\n\r\n")
      end
    ]], { WELL = well })
    local port = ports.free()
    local url = "http://127.0.0.1:" .. port
    local n = node.start { port = port, self = url, peers = { url, f.url }, script = SCRIPT }
    local function told()
      return #f:requests()
    end

    for i = 1, GROUPS do
      assert.equal(502, n:get("g" .. i, "k", { method = "DELETE", timeout = 60 }).status)
    end
    assert.equal(GROUPS, n:stats().unconfirmed)
    local before, began = told(), socket.gettime()
    eventually(function()
      return told() > before and socket.gettime() > began + 3 -- each was told three times by then
    end, 60)
    assert.is_true(told() < before + GROUPS / 4)

    tmp.write(well, "")
    assert.is_truthy(lfs.attributes(well, "mode"))
    eventually(function() return n:stats().unconfirmed == 0 end, 90, "it has confirmed")
    assert.is_true(told() >= before + GROUPS)
    rig.stop(n)
    f:stop()
  end)
end)
