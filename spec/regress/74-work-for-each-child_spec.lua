-- SPDX-License-Identifier: MIT

-- Each time that one of a getter's spawned functions could go on, the getter looked at all of them:
-- a thousand took a hundred times as long as a hundred.

local node = require "support.node"

describe("the work for spawned functions that wait", function()
  it("grows with their number, and not with its square", function()
    local n = node.start { args = { "--workers", "1" }, script = [[
      local groupcache = require "groupcache"
      groupcache.group("g", { timeout = 60, cpu_timeout = 0, cache_bytes = 0, getter = function(key)
        local tasks = {}
        local before = os.clock()
        for i = 1, tonumber(key) do
          tasks[i] = groupcache.spawn(function()
            for j = 1, 3 do groupcache.sleep(0.001 * ((i * 7 + j) % 20)) end
            return i
          end)
        end
        local sum = 0
        for _, task in ipairs(tasks) do sum = sum + task:wait() end
        return ("%d %.6f"):format(sum, os.clock() - before)
      end })
    ]] }
    local function work(count)
      local best = math.huge
      for _ = 1, 3 do
        local body = assert(n:get("g", tostring(count), { timeout = 60 })).body
        local sum, s = body:match "^(%d+) (%S+)$"
        assert.equal(count * (count + 1) / 2, tonumber(sum))
        best = math.min(best, tonumber(s))
      end
      return best
    end
    local few, many = work(400), work(3200)
    assert(many < 24 * few, ("%.4f s for 400, %.4f s for 3200"):format(few, many)) -- 64 = square
    assert.equal(0, (n:stop()))
  end)
end)
