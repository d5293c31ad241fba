-- SPDX-License-Identifier: MIT

-- A node was ready while all VMs of its key functions were stuck in C functions and none could be
-- replaced. Each request that asked a key function got 504, and stuck_timeout did not count.

local eventually = require "support.eventually"
local http = require "support.http"
local rig = require "node.rig"

local SOURCE = [[
local groupcache = require "groupcache"
groupcache.group("made", { getter = function(key) return key end,
  key = function(path)
    if path == "stuck" then
      os.execute("until [ -e " .. rig.dir .. "/open-stuck ]; do sleep 0.01; done")
    end
    return path
  end })
return { workers = 1, http_threads = 1 }
]]

describe("a node whose key functions are all stuck", function()
  local r, n

  local function start(args)
    r, n = rig.start(SOURCE, { args = args })
    local fns = {}
    for i = 1, 4 do -- two VMs, and two in their places
      fns[i] = function() pcall(n.get, n, "made", "stuck", { timeout = 60 }) end
    end
    http.together(fns)
  end

  it("is not ready until one is free", function()
    start()
    local function ready() return n:request { target = "/readyz" }.status end
    eventually(function() return ready() == 503 end, 30, "that it is not ready")
    assert.truthy(n:logged "all workers are stuck in C functions, and none can be replaced")
    r:open "stuck"
    eventually(function() return ready() == 200 end, 30, "that it is ready")
    assert.equal("fine", assert(n:get("made", "fine")).body)
    rig.stop(n)
  end)

  it("ends after stuck_timeout", function()
    start { "--stuck-timeout", "0.2" }
    assert.equal(3, n.process:wait(30))
    r:open "stuck"
  end)
end)
