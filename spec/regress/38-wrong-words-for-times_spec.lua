-- SPDX-License-Identifier: MIT

-- A time of a thousand years was refused with "and must be 0 or more". And a group alone took
-- anything for the options of a get.

describe("what is said of times", function()
  local groupcache = require "groupcache"
  local function getter(key) return key end

  local function why(...)
    local fine, message = pcall(...)
    assert.is_false(fine)
    return message
  end

  it("names the limit that was passed", function()
    for _, seconds in ipairs { 1e10, math.huge } do
      assert.matches("ttl is .*, and must be at most 1000000000 seconds$",
        why(groupcache.group, "g", { ttl = seconds, getter = getter }))
    end
    assert.matches("ttl is nan, and must be a number of seconds, 0 or more$",
      (why(groupcache.group, "g", { ttl = 0 / 0, getter = getter }):gsub("%-nan", "nan")))
  end)

  it("is the same of a get of a group alone", function()
    local group = groupcache.group("g", { getter = getter })
    assert.equal("key", (group:get("key", { timeout = 1 })))
    assert.matches('unknown option "timout", the nearest is "timeout"$',
      why(group.get, group, "key", { timout = 1 }))
    assert.matches("timeout is %-1, and must be a number of seconds above 0$",
      why(group.get, group, "key", -1))
  end)
end)
