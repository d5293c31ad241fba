-- SPDX-License-Identifier: MIT

-- When a load of a group alone failed, the get had the error, and only the next get had the stale
-- value.

local clock = require "groupcache".now

local function pass(seconds)
  local over = clock() + seconds
  repeat until clock() > over
end

describe("a group alone with stale_if_error", function()
  local groupcache = require "groupcache"
  local outcome

  local function stale_group(codec)
    local group = groupcache.group("g", { ttl = 0.05, ttl_jitter = 0, stale_if_error = 1000,
      max_value_bytes = 100, codec = codec, getter = function() return outcome() end })
    outcome = function() return "good" end
    assert.equal("good", (group:get "key"))
    pass(0.06)
    return group
  end

  for what, fails in pairs {
    ["fails"] = function() return nil, "down" end,
    ["throws"] = function() error "bug" end,
    ["returns too much"] = function() return ("x"):rep(200) end,
  } do
    it("gives the old value when the getter " .. what, function()
      local group = stale_group()
      outcome = fails
      for _ = 1, 3 do
        assert.same({ "good", nil, "stale" }, { group:get "key" })
      end
    end)
  end

  it("decodes it", function()
    local group = stale_group "json"
    outcome = function() return nil, "down" end
    assert.same({ "good", nil, "stale" }, { group:get "key" })
  end)

  it("says what went wrong of a key that it never had", function()
    local group = stale_group()
    outcome = function() return nil, "down" end
    assert.same({ nil, "down", "GETTER" }, { group:get "other" })
  end)
end)
