-- SPDX-License-Identifier: MIT

-- Loads were given to the VM with the fewest loads, though it was blocked in a call of a library.
-- They waited there while the other VM slept.

local http = require "support.http"
local node = require "support.node"
local rig = require "node.rig"

describe("loads that come while a VM is blocked in C", function()
  it("are all taken by the other one", function()
    local r = rig.new()
    local n = node.start { args = { "--workers", "2" }, script = r:script [[
      local groupcache = require "groupcache"
      groupcache.group("blocks", { timeout = 60, getter = function(key)
        rig.record(key)
        os.execute("until [ -e " .. rig.dir .. "/open-door ]; do sleep 0.02; done")
        return "done"
      end })
      groupcache.group("waits", { timeout = 60, getter = function(key)
        groupcache.sleep(0.01)
        return "w:" .. key
      end })
    ]] }
    local blocked
    local answered, fns = 0, {}
    fns[1] = function() blocked = assert(n:get("blocks", "k", { timeout = 60 })).body end
    for i = 1, 20 do -- so that the other one has more loads than the blocked one
      fns[#fns + 1] = function()
        rig.wait(n, function() return r:calls().k end)
        assert.equal("w:k" .. i, assert(n:get("waits", "k" .. i, { timeout = 60 })).body)
        answered = answered + 1
      end
    end
    fns[#fns + 1] = function()
      rig.wait(n, function() return answered == 20 end, 20, "all are answered")
      assert.is_nil(blocked)
      r:open "door"
    end
    http.together(fns)
    assert.equal("done", blocked)
    assert.equal(0, n:stats().workers.queued)
    assert.equal(0, (n:stop()))
  end)
end)
