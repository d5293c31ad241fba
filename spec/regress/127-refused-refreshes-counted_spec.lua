-- SPDX-License-Identifier: MIT

-- breaker_refused counted loads in the background, too: gets that had their stale value at once
-- looked as if they had been refused.

jit.off(true, true)

local engine = require "unit.engine"
local C = engine.C

local TTL, HOUR = 1000, 3600 * 1000

describe("a get of a stale value while the breaker is open", function()
  local g

  after_each(function()
    g:ended()
  end)

  it("is not counted as refused, though its load in the background is refused", function()
    g = engine.group { breaker = 1, stale_while_revalidate_ms = HOUR, timeout_ms = HOUR }
    g:get "k"
    g:finish(g.loads[1], "v", C.clock_ms() + TTL)
    C.clock_advance(TTL)
    for _, key in ipairs { "a", "b" } do
      g:get(key)
      g:fail(g.loads[#g.loads], "GETTER", "no")
    end
    assert.equal(1, g:stats().breaker_open)
    local before, started = g:stats().breaker_refused, #g.started
    for _ = 1, 5 do
      local t = g:get "k"
      assert.same({ "v", "stale" }, { t.value, t.source })
    end
    assert.equal(started, #g.started)
    assert.equal(before, g:stats().breaker_refused)
    assert.equal("BUSY", g:get("c").code)
    assert.equal(before + 1, g:stats().breaker_refused)
  end)
end)
