-- SPDX-License-Identifier: MIT

-- A group alone has no thread that ends its loads at their deadline. With a short timeout a load
-- could be late before it began, and block all later ones.

describe("a group alone with a short timeout", function()
  it("loads as ever", function()
    local groupcache = require "groupcache"
    local group = groupcache.group("short", { timeout = 0.001, cache_bytes = "1MB",
      getter = function(key) return key end })
    for i = 1, 30000 do
      local key = "k" .. i
      assert.equal(key, (group:get(key)))
    end
  end)
end)
