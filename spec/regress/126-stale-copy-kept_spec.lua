-- SPDX-License-Identifier: MIT

-- A copy of another node's value was stale, and the next value came from its owner. It took the
-- place of the copy only if it was sampled, one time in ten: the other gets had the old value, and
-- began a load each.

jit.off(true, true)

local engine = require "unit.engine"
local C = engine.C

local TTL, HOUR = 1000, 3600 * 1000

describe("a stale copy of another node's value", function()
  local g

  before_each(function()
    g = engine.group { hot = C.HOT_SAMPLE, stale_while_revalidate_ms = HOUR, timeout_ms = HOUR,
      owner = function() return true end }
  end)

  after_each(function()
    g:ended()
  end)

  local function load(value)
    g:finish(g.loads[#g.loads], value, C.clock_ms() + TTL)
  end

  local function is_copied(key)
    return g:peek(key) ~= nil
  end

  it("is replaced by the owner's next value, sampled or not", function()
    local copied = {}
    for i = 1, 10000 do
      local key = "k" .. i
      g:get(key)
      load "old"
      if is_copied(key) then
        copied[#copied + 1] = key
      end
      if #copied == 20 then
        break
      end
    end
    assert.equal(20, #copied)
    C.clock_advance(TTL)
    for _, key in ipairs(copied) do
      local stale = g:get(key)
      assert.same({ "old", "stale" }, { stale.value, stale.source })
      load "new"
      local fresh = g:get(key)
      assert.same({ "new", "hot" }, { fresh.value, fresh.source })
    end
  end)
end)
