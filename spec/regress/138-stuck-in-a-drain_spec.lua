-- SPDX-License-Identifier: MIT

-- A node that drained watched its VMs no more. Requests behind a VM that was stuck in a C function
-- waited for the whole drain_timeout, and then got CLOSED.

local http = require "support.http"
local rig = require "node.rig"

local SOURCE = [[
local groupcache = require "groupcache"

local function block()
  os.execute("until [ -e " .. rig.dir .. "/open-stuck ]; do sleep 0.01; done")
end

groupcache.group("g", { timeout = 1, getter = function(key)
  if key == "stuck" then block() end
  return key
end })
groupcache.group("patient", { timeout = 60, getter = function(key) return key end })
groupcache.group("made", { getter = function(key) return key end,
  key = function(path)
    if path == "stuck" then block() end
    return path
  end })
return { workers = 1, http_threads = 1 }
]]

describe("a node that drains", function()
  local r, n

  before_each(function()
    r, n = rig.start(SOURCE, { args = { "--drain-timeout", "30" } })
  end)

  after_each(function()
    r:open "stuck"
    rig.stop(n)
  end)

  it("replaces a stuck VM of getters", function()
    local behind
    http.together {
      function() assert(n:get("g", "stuck", { timeout = 60 })) end,
      function()
        rig.wait(n, function() return n:stats().workers.loads == 1 end, 20, "the getter to block")
        behind = assert(n:get("patient", "behind", { timeout = 60 }))
      end,
      function()
        rig.wait(n, function() return n:stats().http.parked == 2 end, 20, "both to wait")
        n:signal "SIGTERM"
      end,
    }
    assert.same({ 200, "behind" }, { behind.status, behind.body })
  end)

  it("ends questions to stuck key functions", function()
    local stuck = {}
    local function ask(i)
      return function() stuck[i] = assert(n:get("made", "stuck", { timeout = 60 })) end
    end
    http.together { ask(1), ask(2), ask(3),
      function()
        rig.wait(n, function() return n:stats().http.parked == 3 end, 20, "all to wait")
        n:signal "SIGTERM"
      end,
    }
    for i = 1, 3 do
      assert.equal(504, stuck[i].status, stuck[i].body)
    end
  end)
end)
