-- SPDX-License-Identifier: MIT

-- A node that ended while several VMs were stuck in C waited two seconds for each, one by one.

local http = require "support.http"
local node = require "support.node"
local rig = require "node.rig"

describe("a node that ends while eight VMs are stuck in C", function()
  it("waits for all of them at a time", function()
    local r = rig.new()
    local n = node.start { args = { "--workers", "8", "--drain-timeout", "0.1" },
      script = r:script [[
        require("groupcache").group("g", { timeout = 60, getter = function()
          os.execute("until [ -e " .. rig.dir .. "/open-door ]; do sleep 0.02; done")
          return "late"
        end })
      ]] }
    local fns = {}
    for i = 1, 8 do
      fns[i] = function()
        assert.equal(503, assert(n:get("g", "k" .. i)).status)
      end
    end
    fns[9] = function()
      rig.wait(n, function()
        return n:stats().groups.g.flights == 8
      end, 5, "eight loads")
      n:signal "SIGTERM"
    end
    http.together(fns)
    local status = n:stop(10) -- they were 16 seconds
    r:open "door"
    assert.equal(0, status, n:log())
    assert.equal(8, select(2, n:log():gsub("left behind", "")))
  end)
end)
