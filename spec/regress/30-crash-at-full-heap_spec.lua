-- SPDX-License-Identifier: MIT

-- The first getter of a VM that ended with the heap full ended the node: giving back its
-- coroutine's place in the registry wanted memory, outside of protected mode.

local http = require "support.http"
local node = require "support.node"
local rig = require "node.rig"

describe("a getter that ends with its VM full, before any other has", function()
  it("leaves the node alone", function()
    for _, bytes in ipairs { "8MB", "8.2MB", "8.4MB", "8.6MB" } do
      local r = rig.new()
      local n = node.start { args = { "--workers", "1", "--vm-bytes", bytes }, script = r:script [[
        local function fill(t) for i = 1, 1e9 do t[i] = { i } end end
        require("groupcache").group("g", { timeout = 20, getter = function(key)
          if key == "fills" then return tostring((pcall(fill, {}))) end
          rig.record(key)
          rig.gate "open"
          return "woke up"
        end })
      ]] }
      http.together {
        function() assert.equal("woke up", assert(n:get("g", "waits", { timeout = 30 })).body) end,
        function()
          rig.wait(n, function() return r:calls().waits end)
          assert.equal("false", assert(n:get("g", "fills", { timeout = 30 })).body)
          r:open "open"
        end,
      }
      rig.stop(n)
    end
  end)
end)
