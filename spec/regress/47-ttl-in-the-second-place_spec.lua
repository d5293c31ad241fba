-- SPDX-License-Identifier: MIT

-- `return body, 60` was kept for ever, without a word, and `return nil, nil, 2` dropped the 2. What
-- stands beside a value is judged in spec/node/outcome_spec.lua; here is how long it is kept that
-- there is none.

local node = require "support.node"
local rig = require "node.rig"

local SCRIPT = [[
local groupcache = require "groupcache"
local calls = 0
local function getter(key)
  calls = calls + 1
  if key == "calls" then return tostring(calls), nil, 0 end
  return nil, nil, tonumber(key:match "^[%d.-]+")
end
groupcache.group("plain", { getter = getter })
groupcache.group("negative", { negative_ttl = 100, getter = getter })
]]

describe("a ttl beside nil", function()
  local n

  setup(function() n = node.start { script = SCRIPT, args = { "--workers", "1" } } end)
  teardown(function() rig.stop(n) end)

  local function calls() return tonumber(assert(n:get("plain", "calls")).body) end

  -- How often the getter ran for two gets of a key, and what the first said of its time.
  local function runs(group, key)
    local before = calls()
    local first = assert(n:get(group, key))
    assert.equal(404, first.status)
    assert.equal(404, assert(n:get(group, key)).status)
    return calls() - before - 1, first.headers["cache-control"]
  end

  it("is how long it is kept that there is no value", function()
    for _, group in ipairs { "plain", "negative" } do
      local times, cache_control = runs(group, "60 s")
      assert.equal(1, times)
      assert.is_true(cache_control == "max-age=60" or cache_control == "max-age=59", cache_control)
    end
  end)

  it("keeps it from nobody when it is 0 or less", function()
    assert.equal(2, runs("negative", "0 s"))
    assert.equal(2, runs("negative", "-1 s"))
  end)

  it("is the group's when there is none", function()
    assert.equal(2, runs("plain", "none"))
    assert.equal(1, runs("negative", "none"))
  end)
end)
