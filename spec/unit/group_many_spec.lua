-- SPDX-License-Identifier: MIT

jit.off(true, true) -- the group calls back into Lua

local engine = require "unit.engine"
local ffi = require "ffi"
local C = require("support.unit").load("cache/packed.h", "cache/group_many.h", "cache/group.h",
  "cache/item.h")

describe("many keys of a group", function()
  local g

  after_each(function()
    C.mem_fail_after(-1)
    local last = g
    g = nil
    last:ended()
  end)

  it("end when the last of them has, each in its own way", function()
    g = engine.group()
    g:get "there"
    g:finish(g.loads[1], "main value")
    local m = g:many { "a", "there", "b", "a" }
    assert.equal(2, #g.loads)
    g:finish(g.loads[2], "from b")
    assert.equal(0, m.ended)
    g:fail(g.loads[1], "GETTER", "no a")
    assert.equal(1, m.ended)
    local r = m.answers()
    assert.equal("GETTER", r[1].code)
    assert.equal("main value", r[2].value)
    assert.equal("main", r[2].source)
    assert.equal("from b", r[3].value)
    assert.equal("no a", r[4].text)
    m.free()
  end)

  it("end at once when all are cached, or the list is empty", function()
    g = engine.group()
    g:get "k"
    g:finish(g.loads[1], "v")
    for _, keys in ipairs { {}, { "k" }, { "k", "k", "k" } } do
      local m = g:many(keys)
      assert.equal(1, m.ended)
      assert.equal(#keys, #m.answers())
      m.free()
    end
  end)

  it("end at once when their loads do", function()
    g = engine.group()
    g.on_load = function(load) g:finish(load, load.key) end
    local m = g:many { "a", "b", "c" }
    assert.equal(1, m.ended)
    assert.equal("c", m.answers()[3].value)
    m.free()
  end)

  it("keep a packed value as it is until the caller opens it", function()
    local text = ("a text that comes again. "):rep(400)
    g = engine.group { compress = tonumber(C.PACKED_GZIP) }
    local m, load = g:many { "k" }, g.loads[1]
    g:release(load)
    C.group_end_given(load.flight, ffi.new("struct given", { bytes = text, n = #text }),
      ffi.new "struct error")
    local r = C.group_many_result(m.c, 0)
    assert.is_true(r.item.value_len < #text / 10)
    assert.equal(#text, tonumber(C.group_many_bytes(m.c, 0)))
    r = C.group_many_open(m.c, 0)
    assert.equal(text, ffi.string(C.item_value(r.item), r.item.value_len))
    assert.equal(#text, tonumber(C.group_many_bytes(m.c, 0)))
    m.free()
  end)

  it("are TOOBIG beyond the bytes that all values together may have", function()
    g = engine.group()
    g.on_load = function(load) g:finish(load, ("x"):rep(1000)) end
    local m = g:many({ "a", "b", "c" }, false, nil, 2500)
    local r = m.answers()
    assert.same({ 1000, 1000 }, { #r[1].value, #r[2].value })
    assert.equal("TOOBIG", r[3].code)
    assert.equal("group spec: a value of 1000 bytes: the values of one get_many may have 2500 "
      .. "bytes, ask for fewer keys at a time", r[3].text)
    m.free()
    m = g:many({ "a", "b", "c" }, false, nil, 3000) -- from the cache, and as many as may be
    assert.equal("x", m.answers()[3].value:sub(1, 1))
    m.free()
  end)

  it("are kept while the caller has room for their values, else they are BUSY", function()
    g = engine.group()
    g:get "there"
    g:finish(g.loads[1], "12345")
    local room = 10
    local keep = ffi.cast("int (*)(void *, size_t)", function(_, bytes)
      room = room - tonumber(bytes)
      return room >= 0 and 1 or 0
    end)
    local m = g:many({ "there", "a", "b", "none" }, false, keep)
    g:finish(g.loads[1], "1234")
    g:finish(g.loads[1], "1234")
    g:fail(g.loads[1], "GETTER", "no")
    local r = m.answers()
    assert.same({ "12345", "1234", nil, nil }, { r[1].value, r[2].value, r[3].value, r[4].value })
    assert.equal("BUSY", r[3].code)
    assert.matches("no room for a value of 4 bytes", r[3].text)
    assert.equal("GETTER", r[4].code)
    m.free()
    keep:free()
  end)

  it("are given up together", function()
    g = engine.group()
    local m = g:many { "a", "b" }
    assert.equal(2, g:stats().waiters)
    assert.is_true(m.cancel())
    assert.equal(0, g:stats().waiters)
    m.free()
    g:finish(g.loads[1], "v")
    assert.equal(0, m.ended)
  end)

  it("cannot be given up once they have ended", function()
    g = engine.group()
    local m = g:many { "a" }
    g:finish(g.loads[1], "v")
    assert.is_false(m.cancel())
    m.free()
  end)

  it("may be 10000", function()
    g = engine.group { max_loads = 3, timeout_ms = 1e9 }
    local keys = {}
    for i = 1, 10000 do
      keys[i] = "k" .. i
    end
    local m = g:many(keys)
    while g.loads[1] do
      g:finish(g.loads[#g.loads], g.loads[#g.loads].key)
    end
    assert.equal(1, m.ended)
    assert.equal("k10000", m.answers()[10000].value)
    m.free()
  end)

  it("are waited for by a thread that may block", function()
    g = engine.group()
    g.on_load = function(load) g:finish(load, load.key) end
    local answers = g:many_wait { "a", "b" }
    assert.equal("a", answers[1].value)
    assert.equal("b", answers[2].value)
  end)

  it("are waited for until the timeout, and the ended ones have results", function()
    g = engine.group()
    g.on_load = function(load)
      if load.key == "soon" then
        g:finish(load, "v")
      else
        g.loads[1] = load
      end
    end
    local answers = g:many_wait({ "soon", "never" }, 5)
    assert.equal("v", answers[1].value)
    assert.same({ nil, "OK" }, { answers[2].value, answers[2].code })
    assert.equal(1, g:stats().flights)
    assert.equal(0, g:stats().waiters)
  end)

  it("are refused whole when there is no memory for them", function()
    g = engine.group()
    C.mem_fail_after(0)
    assert.is_nil(g:many { "a" })
  end)
end)
