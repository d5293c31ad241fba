-- SPDX-License-Identifier: MIT

-- A getter that blocks its VM in a C function (a database client, luasocket) holds up the getters
-- of that VM and nothing else.

local http = require "support.http"
local node = require "support.node"
local rig = require "node.rig"
local socket = require "socket"
local sorted = require "groupcache.sorted"

local SLOW = os.getenv "SAN" or os.getenv "GROUPCACHED_WRAP"

-- What blocks, in one call of C, until the spec opens the gate or (luasocket) for a second.
local WAYS = {
  ["os.execute"] =
    [[os.execute("until [ -e " .. rig.dir .. "/open-door ]; do sleep 0.02; done")]],
  ["io.popen"] =
    [[io.popen("until [ -e " .. rig.dir .. "/open-door ]; do sleep 0.02; done"):read("*a")]],
  ["socket.sleep"] = ("require('socket').sleep(%d)"):format(SLOW and 8 or 1),
}

local names = sorted(WAYS)

describe("a getter that blocks in", function()
  for _, name in ipairs(names) do
    it(name .. " holds up neither hits nor the other worker", function()
      local r = rig.new()
      local args = { "--workers", "2", "--http-threads", "1" }
      local n = node.start { args = args, script = r:script([[
        local groupcache = require "groupcache"
        groupcache.group("blocks", {
          timeout = 30,
          getter = function(key)
            rig.record(key)
            ]] .. WAYS[name] .. [[ return "done"
          end,
        })
        groupcache.group("quick", { timeout = 30, getter = function(key)
          groupcache.sleep(0.001)
          return "q:" .. key
        end })
      ]]) }
      assert.equal("q:hit", assert(n:get("quick", "hit")).body)
      local blocked, blocked_until, slowest, asked_until
      http.together {
        function()
          blocked = assert(n:get("blocks", "k", { timeout = 30 }))
          blocked_until = socket.gettime()
        end,
        function()
          rig.wait(n, function() return r:calls().k end)
          slowest = 0
          for i = 1, 50 do
            local began = socket.gettime()
            local res = assert(n:get("quick", "hit"))
            assert.same({ 200, "main" }, { res.status, res.headers["x-cache"] })
            res = assert(n:get("quick", "miss" .. i))
            assert.same({ 200, "local" }, { res.status, res.headers["x-cache"] })
            slowest = math.max(slowest, socket.gettime() - began)
          end
          asked_until = socket.gettime()
          assert.equal(1, n:stats().workers.loads)
          r:open "door"
        end,
      }
      assert.same({ 200, "done" }, { blocked.status, blocked.body })
      assert(asked_until < blocked_until, "the getter did not block for long enough")
      assert(slowest < (SLOW and 1 or 0.1), ("the slowest pair took %.3f s"):format(slowest))
      local workers = n:stats().workers
      assert.same({ 2, 0, 0, 0 }, { workers.vms, workers.stuck, workers.replaced, workers.loads })
      assert.equal(0, (n:stop()))
    end)
  end

  it("every worker holds up misses, and still no hit", function()
    local r = rig.new()
    local n = node.start { args = { "--workers", "2" }, script = r:script([[
      local groupcache = require "groupcache"
      groupcache.group("g", {
        timeout = 30,
        getter = function(key)
          rig.record(key)
          if key:find "blocks" then ]] .. WAYS["os.execute"] .. [[ end
          return key
        end,
      })
    ]]) }
    assert(n:get("g", "hit"))
    local miss
    local fns = {
      function() assert(n:get("g", "blocks1", { timeout = 30 })) end,
      function() assert(n:get("g", "blocks2", { timeout = 30 })) end,
      function()
        rig.wait(n, function() return r:total() == 3 end)
        miss = assert(n:get("g", "miss", { timeout = 30 }))
      end,
      function()
        rig.wait(n, function() return n:stats().groups.g.flights == 3 end)
        for _ = 1, 100 do
          assert.equal("main", assert(n:get("g", "hit")).headers["x-cache"])
        end
        assert.equal(200, assert(n:request { target = "/readyz" }).status)
        assert.is_nil(r:calls().miss)
        assert.is_nil(miss)
        r:open "door"
      end,
    }
    http.together(fns)
    assert.equal("miss", miss.body)
    assert.equal(0, (n:stop()))
  end)
end)
