-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load("cache/recent.h", "cache/group.h")

describe("the loads of the last minutes", function()
  local r, keep

  before_each(function()
    r, keep = ffi.new "struct recent", {}
  end)

  local function key(text)
    local ref = ffi.new("struct key_ref", { text, #text, C.group_hash(text, #text) })
    keep[#keep + 1] = { text, ref }
    return ref
  end

  local function fail(source, text, at_ms, name)
    local e = ffi.new "struct error"
    e.code, e.msg = C.ERR_GETTER, text
    C.recent_failed(r, source, key(name or "k"), e, at_ms)
  end

  local function failed()
    local out, names = ffi.new("struct recent_load[?]", C.RECENT_LOADS), {}
    for i = 1, tonumber(C.recent_list_failed(r, out)) do
      local l = out[i - 1]
      names[i] = ("%d %s %s %s"):format(tonumber(l.n), ffi.string(l.source), ffi.string(l.text),
        ffi.string(l.key, l.key_len))
    end
    return names
  end

  local function slow(now_ms)
    local out, names = ffi.new("struct recent_load[?]", C.RECENT_LOADS), {}
    for i = 1, tonumber(C.recent_list_slow(r, now_ms, out)) do
      names[i] = ffi.string(out[i - 1].key, out[i - 1].key_len)
    end
    return names
  end

  it("have equal failures once, with their number and the last key; the last first", function()
    fail("getter", "no luck", 1, "a")
    fail("peer", "no luck", 2, "b")
    fail("getter", "worse", 3, "c")
    fail("getter", "no luck", 4, "d")
    assert.same({ "2 getter no luck d", "1 getter worse c", "1 peer no luck b" }, failed())
  end)

  it("forget the oldest failure for a new one", function()
    for i = 1, 10 do
      fail("getter", "error " .. i, i)
    end
    local names = failed()
    assert.equal(8, #names)
    assert.equal("1 getter error 10 k", names[1])
    assert.equal("1 getter error 3 k", names[8])
  end)

  it("cut a long text, and take it for the same again", function()
    fail("getter", ("x"):rep(200), 1)
    fail("getter", ("x"):rep(200), 2)
    assert.same({ "2 getter " .. ("x"):rep(119) .. " k" }, failed())
  end)

  it("have the slowest getters, the slowest first", function()
    for i = 1, 20 do
      C.recent_took(r, key("k" .. i), i * 7 % 20, 1000)
    end
    assert.same({ "k17", "k14", "k11", "k8", "k5", "k2", "k19", "k16" }, slow(1000))
  end)

  it("forget slow getters after ten minutes", function()
    C.recent_took(r, key "slow", 1e6, 1000)
    C.recent_took(r, key "quick", 5, 300000)
    assert.same({ "slow", "quick" }, slow(600999))
    assert.same({ "quick" }, slow(601000))
    for i = 1, 8 do
      C.recent_took(r, key("new" .. i), 10, 700000)
    end
    assert.same(8, #slow(700000))
  end)
end)
