-- SPDX-License-Identifier: MIT

-- A ttl below a millisecond could be rounded to 0, which means for ever. And values with a ttl of 0
-- or less, which nobody may see again, were stored and evicted live values.

local node = require "support.node"

describe("a time to live", function()
  local n

  after_each(function()
    assert.equal(0, (n:stop()))
  end)

  it("of 0.4 ms, of a value or of the group, is not for ever", function()
    n = node.start { script = [[
      local calls = 0
      local function getter()
        calls = calls + 1
        return "call " .. calls
      end
      local groupcache = require "groupcache"
      groupcache.group("value", { getter = function(key) return getter(key), nil, 0.0004 end })
      groupcache.group("group", { getter = getter, ttl = 0.0004 })
    ]] .. "return { workers = 1 }" }
    local eventually = require "support.eventually"
    for _, group in ipairs { "value", "group" } do
      local first = assert(n:get(group, "k")).body
      eventually(function() return assert(n:get(group, "k")).body ~= first end, 2, group)
    end
  end)

  it("of 0 evicts nothing", function()
    n = node.start { script = [[
      require("groupcache").group("g", {
        cache_bytes = 8192,
        getter = function(key) return ("x"):rep(700), nil, key:find "gone" and 0 or nil end,
      })
    ]] }
    for i = 1, 5 do
      assert(n:get("g", "stays" .. i))
    end
    local before = n:stats().groups.g.main
    for i = 1, 9 do
      assert.equal("local", assert(n:get("g", "gone" .. i)).headers["x-cache"])
    end
    local after = n:stats().groups.g.main
    assert.same({ before.items, before.bytes, before.evictions },
      { after.items, after.bytes, after.evictions })
    assert.equal(5, after.items)
    for i = 1, 5 do
      assert.equal("main", assert(n:get("g", "stays" .. i)).headers["x-cache"])
    end
  end)
end)
