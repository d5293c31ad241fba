-- SPDX-License-Identifier: MIT

-- A VM had taken several loads out of its inbox, and one of them got stuck in a C function. The VM
-- was replaced, but the other loads waited in the stuck VM until their deadlines.

local eventually = require "support.eventually"
local http = require "support.http"
local node = require "support.node"
local rig = require "node.rig"

describe("loads that came together with one that got stuck", function()
  it("are answered by the VM that takes over", function()
    local r = rig.new()
    local n = node.start { args = { "--workers", "1" }, script = r:script [[
      local groupcache = require "groupcache"
      groupcache.group("g", {
        timeout = 0.5,
        getter = function(key)
          rig.record(key)
          os.execute("until [ -e " .. rig.dir .. "/open-" .. key .. " ]; do sleep 0.01; done")
          return key
        end,
      })
      groupcache.group("quick", { timeout = 20, getter = function(key) return "q:" .. key end })
    ]] }
    local stuck
    local answers, fns = {}, {
      function() assert(n:get("g", "first")) end, -- while it blocks, the others gather
      function()
        rig.wait(n, function() return r:calls().first end)
        stuck = assert(n:get("g", "stuck"))
      end,
      function()
        rig.wait(n, function() return n:stats().workers.loads == 12 end)
        r:open "first"
      end,
    }
    for i = 1, 10 do
      fns[#fns + 1] = function()
        rig.wait(n, function() return n:stats().groups.g.flights == 2 end)
        answers[i] = assert(n:get("quick", "k" .. i, { timeout = 30 })).body
      end
    end
    http.together(fns)
    assert.equal(504, stuck.status)
    for i = 1, 10 do
      assert.equal("q:k" .. i, answers[i])
    end
    r:open "stuck"
    eventually(function() return n:stats().workers.stuck == 0 end, 10, "the stuck one is back")
    assert.equal(0, (n:stop()))
  end)
end)
