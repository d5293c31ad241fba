-- SPDX-License-Identifier: MIT

-- While a source was down each get of a stale value began a load, and with stale_if_error waited
-- for it, up to the whole timeout. After a load that failed the value is given at once for a
-- while.

local eventually = require "support.eventually"
local node = require "support.node"
local rig = require "node.rig"
local socket = require "socket"

local SCRIPT = [[
local groupcache = require "groupcache"
local calls, mode = 0, "fine"

local function getter(key)
  calls = calls + 1
  if mode == "down" then return nil, "the source is down" end
  if mode == "hung" then groupcache.sleep(1000) end
  return "value of " .. key
end

for name, options in pairs {
  swr = { stale_while_revalidate = 60 }, sie = { stale_if_error = 60 },
} do
  options.ttl, options.ttl_jitter, options.timeout, options.getter = 0.1, 0, 1, getter
  groupcache.group(name, options)
end
groupcache.group("calls", { getter = function(key)
  local n = calls
  calls, mode = 0, key:match "^%a+"
  return tostring(n), nil, 0
end })
]]

describe("a source that is down", function()
  local n

  after_each(function()
    rig.stop(n)
    n = nil
  end)

  -- Has one stale value in the group from here on; the getter is in that mode.
  local function start(group, mode)
    n = node.start { script = SCRIPT,
      args = { "--workers", 1 } }
    assert.equal("value of k", assert(n:get(group, "k")).body)
    assert(n:get("calls", mode .. " from now on"))
    eventually(function()
      return assert(n:get(group, "k")).headers["x-cache"] == "stale"
    end, 5, "it is stale")
  end

  for _, group in ipairs { "swr", "sie" } do
    it("is asked once in a while for a stale value, with " .. group, function()
      start(group, "down")
      for _ = 1, 200 do
        local res = assert(n:get(group, "k"))
        assert.same({ 200, "stale" }, { res.status, res.headers["x-cache"] })
      end
      local calls = tonumber(assert(n:get("calls", "fine, and how many")).body)
      assert.is_true(calls <= 3, calls)
      assert.is_true(n:stats().groups[group].stale_spared >= 190)
      eventually(function() -- and that ends with the outage
        return assert(n:get(group, "k")).headers["x-cache"] ~= "stale"
      end, 10, "the new value")
    end)
  end

  it("is waited for once when it hangs", function()
    start("sie", "hung")
    local began = socket.gettime()
    for _ = 1, 20 do
      assert.equal("stale", assert(n:get("sie", "k")).headers["x-cache"])
    end
    local took = socket.gettime() - began
    assert.is_true(took < 8, took) -- 20 s if each waited
  end)
end)
