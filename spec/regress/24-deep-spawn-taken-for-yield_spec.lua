-- SPDX-License-Identifier: MIT

-- Tasks nested too deeply were said to have yielded; and tasks that had ended were kept and walked
-- over at each later wait.

local node = require "support.node"
local rig = require "node.rig"

describe("a getter with tasks", function()
  local n

  setup(function()
    n = node.start { args = { "--workers", "1" }, script = [[
      local groupcache = require "groupcache"
      groupcache.group("deep", { getter = function(key)
        local function nest(depth)
          if depth == 0 then groupcache.sleep(0.001) return "bottom" end
          return groupcache.spawn(nest, depth - 1):wait()
        end
        return nest(tonumber(key))
      end })
      groupcache.group("many", { timeout = 60, getter = function(key)
        for _ = 1, tonumber(key) do
          groupcache.all { function() groupcache.sleep(0) end, function() groupcache.sleep(0) end }
        end
        return "done"
      end })
    ]] }
  end)

  teardown(function()
    rig.stop(n)
  end)

  it("is told that they are nested too deeply", function()
    assert.equal("bottom", assert(n:get("deep", "40")).body)
    assert.matches("nested more than 64 deep", assert(n:get("deep", "100")).body, 1, true)
  end)

  it("may have one after another without end", function()
    assert.equal("done", assert(n:get("many", "3000", { timeout = 60 })).body)
  end)
end)
