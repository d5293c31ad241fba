-- SPDX-License-Identifier: MIT

-- What an operator sees of a group.

jit.off(true, true) -- the group calls back into Lua

local ffi = require "ffi"
local key_ref = require "unit.key_ref"
local engine = require "unit.engine"
local unit = require "support.unit"
local C = engine.C

unit.load "cache/group_seen.h"

describe("what is seen of a group", function()
  local g

  after_each(function()
    if g then
      local last = g
      g = nil
      last:ended()
    end
  end)

  local function now()
    return C.clock_ms()
  end

  local function popular()
    local s = ffi.new "struct group_seen"
    C.group_seen(g.c, now(), s)
    local list = {}
    for i = 1, tonumber(s.n_popular) do
      local k = s.popular[i - 1]
      list[i] = ffi.string(k.key, k.key_len)
    end
    return list, s
  end

  local function key(name)
    local out = ffi.new "struct group_seen_key"
    C.group_seen_key(g.c, key_ref(name), now(), out)
    return out, out.held ~= nil and ffi.string(out.held) or nil
  end

  it("has the keys that are asked for most, and notes few gets of a busy group", function()
    g = engine.group {}
    for _, name in ipairs { "often", "seldom", "other" } do
      g:get(name)
      g:finish(g.loads[1], "v")
    end
    C.group_seen_tick(g.c, now())
    for _ = 1, 3000 do
      g:get "often"
      g:get "often"
      g:get "seldom"
    end
    local first = popular()
    assert.same({ "often", "seldom" }, { first[1], first[2] })
    C.clock_advance(1000)
    C.group_seen_tick(g.c, now()) -- 9000 a second: one in 19 stands for all
    local _, before = popular()
    for _ = 1, 18 do
      g:get "other"
    end
    local _, after = popular()
    assert.is_true(after.rates[2] < 1200) -- at most one of them was noted
    assert.is_true(before.rates[0] > before.rates[1])
  end)

  it("has the failures, and the getters that took longest", function()
    g = engine.group {}
    g:get "slow"
    C.flight_begins(g.loads[1].flight)
    C.clock_advance(200)
    g:finish(g.loads[1], "v")
    g:get "bad"
    g:fail(g.loads[1], "GETTER")
    g:get "none"
    g:fail(g.loads[1], "NOTFOUND")
    local _, s = popular()
    assert.same({ 1, 1 }, { tonumber(s.n_failed), tonumber(s.n_slow) })
    assert.equal("bad", ffi.string(s.failed[0].key, 3))
    assert.equal("slow", ffi.string(s.slow[0].key, 4))
    assert.is_true(s.slow[0].took_us >= 200000)
  end)

  it("knows what is held of a key, and counts no get for it", function()
    g = engine.group { negative_ttl_ms = 5000 }
    assert.is_nil(select(2, key "k"))
    g:get "k"
    g:get "k"
    local out, held = key "k"
    assert.same({ nil, 1, 2 }, { held, out.loading, tonumber(out.waiters) })
    g:finish(g.loads[1], "value", C.clock_ms() + 10000)
    C.clock_advance(3000)
    out, held = key "k"
    assert.same({ "main", 5, 3, 0 }, { held, tonumber(out.value_bytes), tonumber(out.age_s),
      out.loading })
    assert.is_true(out.expires_in_ms > 5000 and out.expires_in_ms <= 7000)
    g:get "none"
    g:fail(g.loads[1], "NOTFOUND")
    assert.equal("negative", select(2, key "none"))
    local s = ffi.new "struct stats"
    C.group_stats(g.c, s)
    assert.equal(3, tonumber(s.gets))
  end)
end)
