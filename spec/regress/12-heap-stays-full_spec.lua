-- SPDX-License-Identifier: MIT

-- A getter filled its VM until it caught "not enough memory". The garbage stayed in the VM, since
-- LuaJIT does not collect when it is refused memory. So the next getter of the VM failed as well.

local http = require "support.http"
local node = require "support.node"
local rig = require "node.rig"

describe("a getter that fills its VM and catches the error", function()
  it("does no harm to one that has waited meanwhile", function()
    local r = rig.new()
    local n = node.start { args = { "--workers", "1", "--vm-bytes", "8MB" }, script = r:script [[
      local groupcache = require "groupcache"
      local function fill(t) for i = 1, 1e9 do t[i] = { i } end end
      groupcache.group("g", {
        timeout = 20,
        getter = function(key)
          if key == "fills" then return tostring((pcall(fill, {}))) end
          rig.record(key)
          rig.gate "filled"
          return "woke up"
        end,
      })
    ]] }
    local slept
    http.together {
      function() slept = assert(n:get("g", "sleeps", { timeout = 30 })) end,
      function()
        rig.wait(n, function() return r:calls().sleeps end)
        assert.equal("false", assert(n:get("g", "fills", { timeout = 30 })).body)
        r:open "filled"
      end,
    }
    assert.equal(0, (n:stop()))
    assert.same({ 200, "woke up" }, { slept.status, slept.body })
  end)
end)
