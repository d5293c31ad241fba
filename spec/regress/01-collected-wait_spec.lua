-- SPDX-License-Identifier: MIT

-- A getter that sleeps held its wait in no place the garbage collector looks at. A collection in
-- the meantime took the wait away, and the getter slept until its timeout.

local node = require "support.node"
local http = require "support.http"
local rig = require "node.rig"

describe("a getter that sleeps", function()
  it("wakes up although garbage was collected meanwhile", function()
    local r = rig.new()
    local n = node.start { args = { "--workers", "1" }, script = r:script [[
      local groupcache = require "groupcache"
      groupcache.group("g", {
        getter = function(key)
          if key == "collects" then
            collectgarbage()
            collectgarbage()
          else
            rig.record(key)
            groupcache.sleep(0.2)
          end
          return key
        end,
      })
    ]] }
    local slept
    http.together {
      function()
        slept = assert(n:get("g", "sleeps"))
      end,
      function()
        rig.wait(n, function() return r:calls().sleeps end)
        assert.equal("collects", assert(n:get("g", "collects")).body)
      end,
    }
    assert.equal(0, (n:stop()))
    assert.equal("sleeps", slept.body)
    assert.equal(200, slept.status)
  end)
end)
