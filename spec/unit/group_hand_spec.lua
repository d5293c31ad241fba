-- SPDX-License-Identifier: MIT

jit.off(true, true) -- the group calls back into Lua

local engine = require "unit.engine"
local ffi = require "ffi"
local key_ref = require "unit.key_ref"
require("support.unit").load("cache/group_hand.h", "cache/group.h", "base/clock.h")
local C = engine.C

local function value(text, opts)
  local v = ffi.new "struct group_handed"
  v.bytes, v.n = text, #text
  for name, of in pairs(opts or {}) do
    v[name] = of
  end
  return v
end

describe("a value that another node hands over", function()
  local g

  before_each(function() g = engine.group {} end)
  after_each(function() g:ended() end)

  local function keep(key, v)
    return C.group_hand_keep(g.c, key_ref(key), v) == 1
  end

  -- A get of the key, and whether its load ends with the value.
  local function load(key, v)
    local ticket = g:get(key)
    local flight = table.remove(g.loads).flight
    if C.group_hand_finish(flight, v) == 1 then
      return ticket, true
    end
    C.group_load_here(flight)
    return ticket, false
  end

  it("is kept with the ttl and the age that it has", function()
    assert.is_true(keep("k", value("v", { has_ttl = 1, ttl_ms = 5000, age_s = 70 })))
    local ticket = g:get "k"
    assert.same({ "v", "main" }, { ticket.value, ticket.source })
    C.clock_advance(5000)
    ticket = g:get "k"
    assert.is_nil(ticket.value)
    g:finish(table.remove(g.loads), "new")
    assert.is_false(keep("gone", value("v", { has_ttl = 1, ttl_ms = 0 })))
  end)

  it("is taken with any age and ttl that a peer may say", function()
    for _, n in ipairs { 2 ^ 62, 18446744073709551ULL, -1ULL } do
      local key = "k" .. tostring(n)
      assert.is_true(keep(key, value("v", { has_ttl = 1, ttl_ms = n, age_s = n })))
      assert.equal("main", g:get(key).source)
      C.group_remove(g.c, key_ref("gone" .. key))
      assert.is_false(keep("gone" .. key, value("v", { age_s = n })))
    end
  end)

  it("does not displace what is here", function()
    g:get "k"
    g:finish(table.remove(g.loads), "ours")
    assert.is_false(keep("k", value "theirs"))
    assert.equal("ours", g:get("k").value)
  end)

  it("ends a load in place of the getter, and is kept", function()
    C.clock_advance(10000)
    local ticket, ended = load("k", value("v", { age_s = 3 }))
    assert.is_true(ended)
    assert.same({ "v", "peer" }, { ticket.value, ticket.source })
    assert.equal("main", g:get("k").source)
    local s = ffi.new "struct stats"
    C.group_stats(g.c, s)
    assert.same({ 1, 0 }, { tonumber(s.handed), tonumber(s.local_loads) })
  end)

  it("is refused if the key was changed here since it was loaded", function()
    C.clock_advance(100000)
    C.group_remove(g.c, key_ref "k")
    assert.is_false(keep("k", value("old", { age_s = 50 })))
    local ticket, ended = load("k", value("old", { age_s = 0 }))
    assert.is_false(ended)
    g:finish(table.remove(g.loads), "new")
    assert.equal("new", ticket.value)
    assert.is_true(keep("other", value("v", { age_s = 50 })))
  end)

  it("is taken if it was loaded after the change", function()
    C.group_remove(g.c, key_ref "k")
    C.clock_advance(10000)
    assert.is_false(keep("k", value("old", { age_s = 9 }))) -- ages are rounded down
    assert.is_true(keep("k", value("new", { age_s = 7 })))
  end)

  it("is refused if all keys were changed since", function()
    C.group_flush(g.c)
    assert.is_false(keep("k", value("old", { age_s = 1 })))
    C.clock_advance(10000)
    assert.is_true(keep("k", value("new", { age_s = 5 })))
  end)

  it("is not kept if its key is changed while the load ends", function()
    C.clock_advance(10000)
    local ticket = g:get "k"
    local flight = table.remove(g.loads).flight
    C.group_remove(g.c, key_ref "k")
    C.clock_advance(10000)
    assert.equal(1, C.group_hand_finish(flight, value("v", { age_s = 1 })))
    assert.equal("v", ticket.value) -- its caller asked before
    assert.is_nil(g:get("k").value)
    g:finish(table.remove(g.loads), "new")
  end)

  it("may be as large as a value may be", function()
    g:ended()
    g = engine.group { max_value_bytes = 10 }
    assert.is_true(keep("k", value(("x"):rep(10))))
    assert.is_false(keep("l", value(("x"):rep(11))))
    local x, e = ffi.new "struct extra", ffi.new "struct error" -- of a value that is compressed
    assert.equal(0, tonumber(C.extra_put_packed(x, 1, 11, e)))
    local small = value("x", { extra = x.bytes, extra_len = x.n })
    assert.is_false(keep("m", small))
    assert.is_false(select(2, load("n", small)))
    g:finish(table.remove(g.loads), "new")
    local given = ffi.new("struct given", { bytes = "x", n = 1, extra = x.bytes, extra_len = x.n })
    assert.equal(tonumber(C.ERR_TOOBIG),
      tonumber(C.group_change_given(g.c, key_ref "o", given, e)))
    assert.matches("the value has 11 bytes, max_value_bytes is 10", ffi.string(e.msg))
  end)

  it("is one of those that were used last", function()
    for _, key in ipairs { "a", "b", "c" } do
      keep(key, value(key, { has_ttl = 1, ttl_ms = 60000 }))
    end
    g:get "a"
    local out = ffi.new "struct item *[8]"
    assert.equal(2, tonumber(C.group_hand_list(g.c, 2, out)))
    local keys = {}
    for i = 0, 1 do
      local v = ffi.new "struct group_handed"
      assert.equal(1, C.group_hand_of(out[i], v))
      assert(v.has_ttl == 1 and v.ttl_ms > 0)
      keys[i + 1] = ffi.string(v.bytes, v.n)
    end
    assert.same({ "a", "c" }, keys)
    C.clock_advance(60000)
    assert.equal(0, C.group_hand_of(out[0], ffi.new "struct group_handed"))
    C.item_unref(out[0])
    C.item_unref(out[1])
  end)
end)
