-- SPDX-License-Identifier: MIT

-- A loop in a coroutine of the getter was stopped at the deadline, by a yield that went to the
-- getter. The getter took it for the coroutine's own yield. It answered as if nothing had happened,
-- or resumed the loop for ever.

local cjson = require "cjson"
local node = require "support.node"

describe("a getter whose coroutine loops", function()
  local n

  setup(function()
    n = node.start { args = { "--workers", "1" }, script = [[
      local groupcache = require "groupcache"
      local function forever() while true do end end
      groupcache.group("g", {
        timeout = 0.2,
        getter = function(key)
          if key == "resumes" then
            local co = coroutine.create(forever)
            while true do coroutine.resume(co) end
          elseif key == "goes on" then
            coroutine.wrap(forever)()
          elseif key == "catches" then
            pcall(table.sort, { 3, 2, 1 }, forever)
          end
          return "went on"
        end,
      })
    ]] }
  end)

  teardown(function()
    n:stop()
  end)

  for _, key in ipairs { "resumes", "goes on", "catches" } do
    it(("and %s is stopped and says so"):format(key), function()
      local res = assert(n:get("g", key, { timeout = 3 }))
      assert.equal(504, res.status)
      assert.equal("TIMEOUT", cjson.decode(res.body).code)
      assert.equal("went on", assert(n:get("g", "next", { timeout = 3 })).body)
    end)
  end
end)
