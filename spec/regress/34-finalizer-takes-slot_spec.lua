-- SPDX-License-Identifier: MIT

-- Making the string of a hit may run finalizers, and so may leaving compiled code. A finalizer that
-- got from the same group took the item, or the slot, that the get under way was using: it gave
-- values of other keys, or freed memory. At the program's end a finalizer found a freed handle.

local program = require "api.program"

describe("a finalizer that gets from a group alone", function()
  it("does not disturb the gets that it runs in", function()
    program.says("fine\n", [[
      local group = groupcache.group("g", {
        getter = function(key) return key .. ("x"):rep(2000) end,
      })
      local function at_some_time()
        getmetatable(newproxy(true)).__gc = function() group:get("k" .. math.random(50)) end
      end
      for i = 1, 60000 do
        at_some_time()
        local key = "k" .. i % 60
        assert(group:get(key):sub(1, #key + 1) == key .. "x")
        if i % 7 == 0 then group:remove(key) end
      end
      say "fine"
    ]])
  end)

  it("is refused once the group was collected, as the program ends", function()
    program.says("false|false|false|false|false\n", [[
      local group
      kept = newproxy(true)
      getmetatable(kept).__gc = function()
        say(pcall(group.get, group, "a"), pcall(group.get_many, group, { "a" }),
          pcall(group.set, group, "a", "b"), pcall(group.peek, group, "a"),
          (pcall(group.ttl, group, "a")))
      end
      group = groupcache.group("g", { getter = function(key) return key end })
      assert(group:get "a")
    ]])
  end)
end)
