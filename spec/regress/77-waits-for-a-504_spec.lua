-- SPDX-License-Identifier: MIT

-- While getters hung and thousands of loads waited their turn, a miss of any other key waited for
-- seconds, too, and got 504.

local cjson = require "cjson"
local faults = require "support.faults"
local http = require "support.http"
local node = require "support.node"
local rig = require "node.rig"
local socket = require "socket"

local SCRIPT = [[
local groupcache = require "groupcache"
groupcache.group("g", { max_loads = 8, max_waiting = 8, timeout = 5, getter = function(key)
  if key:find "^hung" then groupcache.sleep(60) end
  return "v:" .. key
end })
]]

describe("a miss whose load would be too late", function()
  it("is 503 at once, and hits are served", function()
    local f, why = faults.new()
    if not f then
      pending(why)
      return
    end
    local n = node.start { script = SCRIPT, env = f.env, args = { "--drain-timeout", "0" } }
    assert.equal(200, assert(n:get("g", "hit")).status)
    local hung = {}
    for i = 1, 64 do
      hung[i] = function()
        assert.equal(504, assert(n:get("g", "hung" .. i, { timeout = 10 })).status)
      end
    end
    hung[65] = function()
      rig.wait(n, function() return n:stats().groups.g.flights == 64 end, 5, "all are under way")
      f:advance(1)
      local slowest = 0
      for i = 1, 50 do
        local began = socket.gettime()
        local res = assert(n:get("g", "miss" .. i))
        slowest = math.max(slowest, socket.gettime() - began)
        assert.equal(503, res.status)
        assert.equal("BUSY", cjson.decode(res.body).code)
        assert.is_truthy(tonumber(res.headers["retry-after"]))
        assert.equal(200, assert(n:get("g", "hit")).status)
      end
      assert(slowest < 4, slowest) -- 1 ms, if the machine has nothing else to do
      assert.equal(50, n:stats().groups.g.hopeless)
      f:advance(10)
    end
    http.together(hung)
    assert.is_truthy(n:logged 'msg="loads failed" group=g count=%d+ source=%l+ code=%u+')
    rig.stop(n)
  end)
end)
