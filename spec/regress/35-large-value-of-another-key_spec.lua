-- SPDX-License-Identifier: MIT

-- The second get of a value too large to be remembered gave the value that had been read last,
-- whatever its key.

local program = require "api.program"

describe("a value too large to be remembered", function()
  it("is the value of its own key at each get", function()
    program.says("70000|new\n70000|new\n70000|new\n", [[
      local group = groupcache.group("g", {
        getter = function(key) return key == "large" and ("x"):rep(70000) or "old" end,
      })
      group:get "large"
      for i = 1, 2 do group:get "small" end
      for i = 1, 3 do
        group:get "large"
        group:set("small", "new")
        local small = group:get "small"
        say(#group:get "large", small)
      end
    ]])
  end)
end)
