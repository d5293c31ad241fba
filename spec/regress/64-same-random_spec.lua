-- SPDX-License-Identifier: MIT

-- math.random gave the same numbers in each VM, on each node and after each reload: ids were the
-- same, and delays that should differ did not.

local node = require "support.node"
local rig = require "node.rig"

local SCRIPT = [[
local groupcache = require "groupcache"
local at_load = math.random()
groupcache.group("g", { local_only = true, getter = function()
  return ("%.17g %.17g %s"):format(at_load, math.random(), tostring(math.random)), nil, 0
end })
groupcache.group("seeded", { local_only = true, getter = function()
  math.randomseed(42)
  return ("%.17g"):format(math.random()), nil, 0
end })
]]

describe("math.random in a getter", function()
  local n

  after_each(function()
    rig.stop(n)
    n = nil
  end)

  it("differs between VMs, nodes and reloads", function()
    local seen, vms = {}, {}
    local function note()
      local at_load, drawn, vm = assert(n:get("g", "k")).body:match "(%S+) (%S+) (.*)"
      assert.is_nil(seen[drawn])
      seen[drawn] = true
      vms[vm .. at_load] = at_load
    end
    for _ = 1, 2 do
      n = node.start { script = SCRIPT, args = { "--workers", 4 } }
      for _ = 1, 20 do note() end
      rig.reload { n }
      for _ = 1, 20 do note() end
      rig.stop(n)
      n = nil
    end
    local first, count = {}, 0
    for _, at_load in pairs(vms) do
      assert.is_nil(first[at_load])
      first[at_load] = true
      count = count + 1
    end
    assert.is_true(count >= 4, count)
  end)

  it("is what a script that seeds it wants", function()
    n = node.start { script = SCRIPT }
    assert.equal(assert(n:get("seeded", "a")).body, assert(n:get("seeded", "b")).body)
  end)
end)
