-- SPDX-License-Identifier: MIT

jit.off(true, true) -- the group calls back into Lua

local ffi = require "ffi"
local engine = require "unit.engine"
local C = engine.C

describe("a reader", function()
  local g, reader

  local function begin(opts)
    g = engine.group(opts)
    reader = g:reader()
  end

  after_each(function()
    C.reader_free(reader)
    g:ended()
  end)

  local function recall(key)
    local t, hit = g:recall(reader, key)
    return hit, t and t.value, t and t.source
  end

  -- The same, when the reader has it.
  local function known(key)
    recall(key)
    assert.equal("same", (recall(key)))
  end

  it("gives an item anew at first, then as the one that it gave", function()
    begin()
    g:set("k", "value")
    assert.same({ "other", "value", "main" }, { recall "k" })
    for _ = 1, 200 do
      assert.same({ "same", "value", "main" }, { recall "k" })
    end
  end)

  it("misses an absent key, and finds it once it is set", function()
    begin()
    assert.equal("none", (recall "k"))
    assert.equal("none", (recall "k"))
    g:set("k", "")
    assert.same({ "other", "", "main" }, { recall "k" })
    assert.equal(3, g:stats().gets)
    assert.equal(1, g:stats().cache_hits)
  end)

  it("does not give a replaced, removed, flushed, evicted or expired value", function()
    begin { cache_bytes = 4096 }
    for name, change in pairs {
      replaced = function() g:set("k", "new") end,
      removed = function() g:remove "k" end,
      flushed = function() g:flush() end,
      ["flushed and set"] = function() g:flush() g:set("k", "new") end,
      evicted = function()
        for i = 1, 100 do
          g:set("other" .. i, "v")
        end
      end,
      over = function() C.clock_advance(2000) end,
    } do
      g:set("k", "old", 1000)
      known "k"
      change()
      local hit, value = recall "k"
      assert(hit ~= "same", name)
      assert(value ~= "old", name)
    end
  end)

  it("counts each hit, and in the order of use", function()
    begin { cache_bytes = 4096 }
    g:set("a", "v")
    g:set("b", "v")
    recall "a"
    recall "b"
    local before = g:stats()
    for i = 1, 1001 do
      assert.equal("same", (recall "b"))
      assert.equal(before.gets + i, g:stats().gets)
      assert.equal(before.cache_hits + i, g:stats().cache_hits)
      assert.equal(before.main.hits + i, g:stats().main.hits)
    end
    recall "a" -- noted only: nobody has asked for the order yet
    local i = 0
    while g:peek "b" do
      i = i + 1
      g:set("fill" .. i, "v")
    end
    assert.equal("v", g:peek "a")
  end)

  it("counts hits of items that have left since", function()
    begin()
    g:set("k", "v")
    known "k"
    recall "k"
    g:remove "k"
    assert.equal(3, g:stats().main.hits)
    recall "k"
    assert.equal(4, g:stats().gets)
    assert.equal(3, g:stats().cache_hits)
    g:set("k", "v")
    known "k"
    g:flush()
    assert.equal(5, g:stats().main.hits)
  end)

  it("looks copies of other nodes' keys up each time, since main may have got one", function()
    begin { hot = C.HOT_ALWAYS, owner = function() return true end }
    g:get "k"
    g:finish(g.loads[1], "copy")
    assert.same({ "other", "copy", "hot" }, { recall "k" })
    assert.same({ "same", "copy", "hot" }, { recall "k" })
    g:set("k", "ours")
    assert.same({ "other", "ours", "main" }, { recall "k" })
    assert.equal(2, g:stats().hot.hits)
  end)

  it("tells keys apart that have the same address", function()
    begin()
    g:set("ab", "two")
    g:set("a", "one")
    local bytes, found = ffi.new("char[2]", "ab"), ffi.new "struct recalled"
    local function value(n)
      assert(tonumber(C.reader_recall(reader, bytes, n, found)) ~= C.HIT_NONE)
      return ffi.string(C.item_value(found.item), found.item.value_len)
    end
    for _ = 1, 3 do
      assert.equal("two", value(2))
      assert.equal("one", value(1))
    end
    bytes[0] = ("x"):byte()
    assert.equal(C.HIT_NONE, tonumber(C.reader_recall(reader, bytes, 2, found)))
  end)

  it("remembers as many as it has slots, each at a place of its own", function()
    begin()
    local keys, slots, n = {}, {}, 0
    for i = 1, 5000 do
      keys[i] = "key" .. i
      g:set(keys[i], "value" .. i)
      recall(keys[i])
    end
    for i = 4900, 5000 do -- those asked for last
      local t, hit = g:recall(reader, keys[i])
      if hit == "same" then
        n = n + 1
        assert.equal("value" .. i, t.value)
        assert(t.slot < C.READER_SLOTS)
        assert.is_nil(slots[t.slot])
        slots[t.slot] = true
      end
    end
    assert(n > 50, n)
    local s = g:stats()
    assert(s.remembered_items > C.READER_SLOTS / 2 and s.remembered_items <= C.READER_SLOTS)
    assert(s.remembered_bytes > 50 * s.remembered_items)
  end)

  it("forgets one slot, or all", function()
    begin()
    for i = 1, 20 do
      g:set("key" .. i, "v")
    end
    for _ = 1, 3 do -- slots are made as they are needed, which empties those there are
      for i = 1, 20 do
        recall("key" .. i)
      end
    end
    assert.equal(20, g:stats().remembered_items)
    C.reader_forget(reader, (g:recall(reader, "key3")).slot)
    C.reader_forget(reader, C.READER_SLOTS - 1) -- has no such slot yet
    assert.equal(19, g:stats().remembered_items)
    assert.equal("other", (recall "key3"))
    assert.equal("same", (recall "key4"))
    C.reader_forget_all(reader)
    assert.equal(0, g:stats().remembered_items)
    assert.equal(0, g:stats().remembered_bytes)
    assert.equal("other", (recall "key4"))
  end)

  it("keeps an evicted item until the slot gets another", function()
    begin { cache_bytes = 4096 }
    g:set("k", "v")
    known "k"
    for i = 1, 100 do
      g:set("other" .. i, "v")
    end
    assert.is_nil(g:peek "k")
    assert.equal(1, g:stats().remembered_items)
    assert.equal("none", (recall "k"))
    assert.equal(0, g:stats().remembered_items)
  end)
end)
