-- SPDX-License-Identifier: MIT

-- A getter that was stopped inside the reader of load() left its VM with no hooks: the next one
-- that computed too long was not stopped, and the VM had to be replaced.

local eventually = require "support.eventually"
local node = require "support.node"

describe("a getter that loops inside load()", function()
  it("is stopped, as are those after it", function()
    local n = node.start { args = { "--workers", "1" }, script = [[
      local function forever() while true do end end
      require("groupcache").group("g", {
        timeout = 0.2,
        getter = function(key)
          if key == "load" then return load(forever) and "loaded" or "not loaded" end
          forever()
        end,
      })
    ]] }
    for _, key in ipairs { "load", "loops", "loops again" } do
      assert.equal(504, assert(n:get("g", key, { timeout = 5 })).status)
    end
    assert.equal(3, n:stats().groups.g.local_load_errs)
    eventually(function() return n:stats().workers.loads == 0 end, 5, "the last one ends")
    assert.equal(0, (n:stop()))
  end)
end)
