-- SPDX-License-Identifier: MIT

-- Where a getter cannot wait, a change raised an error, but was made all the same. get_many and ttl
-- raised at a line of the library.

local node = require "support.node"
local rig = require "node.rig"

describe("a change where the getter cannot wait", function()
  local CASES = [[
    local groupcache = require "groupcache"
    local others = groupcache.group("others", { getter = function(key) return key end })
    local function tries(fn)
      local ok, message = pcall(fn)
      return tostring(ok) .. " " .. tostring(message)
    end
    local places = {
      coroutine = function(fn) return coroutine.wrap(fn)() end,
      sort = function(fn)
        local said
        table.sort({ 1, 2 }, function() said = fn() end)
        return said
      end,
      child = function(fn)
        return groupcache.spawn(function()
          local said
          table.sort({ 1, 2 }, function() said = fn() end)
          return said
        end):wait()
      end,
    }
    local calls = {
      set = function() return others:set("key", "new") end,
      remove = function() return others:remove "key" end,
      remove_many = function() return others:remove_many { "key" } end,
      flush = function() return others:flush() end,
    }
    groupcache.group("g", { getter = function(key)
      local place, call = key:match "(.*) (.*)"
      assert(others:set("key", "old"))
      local said = places[place](function() return tries(calls[call]) end)
      return said .. " / " .. tostring((others:peek "key"))
    end })
    groupcache.group("lines", { getter = function()
      return coroutine.wrap(function()
        return select(2, pcall(function()
          local values = others:get_many { "key" }
          return values
        end))
      end)()
    end })
  ]]

  for _, loop in ipairs { "plain", "cqueues", "luv" } do
    it("raises and changes nothing, with the loop " .. loop, function()
      local n = node.start { args = { "--loop", loop }, script = CASES }
      for _, place in ipairs { "coroutine", "sort", "child" } do
        for _, call in ipairs { "set", "remove", "remove_many", "flush" } do
          local said = assert(n:get("g", place .. " " .. call)).body
          assert.matches("^false .*group:" .. call .. " waits, and .* / old$", said)
        end
      end
      assert.matches("^[^ ]*%.lua:%d+: group:get_many waits", n:get("lines", "x").body)
      assert.is_nil(n:get("lines", "x").body:find("groupcache/group.lua", 1, true))
      rig.stop(n)
    end)
  end
end)
