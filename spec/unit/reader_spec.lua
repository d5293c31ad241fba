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

  -- What ends the value of "k", by name: five ways.
  local function changes()
    return {
      replaced = function() g:set("k", "new") end,
      removed = function() g:remove "k" end,
      flushed = function() g:flush() end,
      ["flushed and set"] = function() g:flush() g:set("k", "new") end,
      evicted = function()
        for i = 1, 100 do
          g:set("other" .. i, "v")
        end
      end,
    }
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
    begin { cache_bytes = 4096, eviction = C.EVICT_LRU }
    local all = changes()
    all.expired = function() C.clock_advance(2000) end
    for name, change in pairs(all) do
      g:set("k", "old", 1000)
      known "k"
      change()
      local hit, value = recall "k"
      assert(hit ~= "same", name)
      assert(value ~= "old", name)
    end
  end)

  it("counts each hit, and in the order of use", function()
    begin { cache_bytes = 4096, eviction = C.EVICT_LRU }
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

  -- The place of the key with these bytes, if it is held.
  local function held(bytes)
    return C.reader_recall_held(reader, bytes)
  end

  it("gives by its address what is held, and counts it", function()
    begin()
    local key = "a key whose bytes stay where they are"
    g:set(key, "v")
    assert.equal(C.READER_NOWHERE, held(key))
    assert.equal("other", (recall(key)))
    assert.equal(C.READER_NOWHERE, held(key)) -- the owner may not keep its bytes
    C.reader_hold(reader, nil)
    for _ = 1, 1000 do
      if held(key) < 0 then -- the ring is full
        assert.equal("same", (recall(key)))
      end
    end
    assert.same({ 1001, 1001, 1001 }, { g:stats().gets, g:stats().cache_hits,
      g:stats().main.hits })
    assert(held(key) >= 0)
    C.reader_hold_none(reader)
    assert.equal(C.READER_NOWHERE, held(key))
    assert.equal("same", (recall(key)))
  end)

  it("gives nothing by its address that was changed, or has an end", function()
    for name, change in pairs(changes()) do
      begin { cache_bytes = 4096, eviction = C.EVICT_LRU }
      g:set("k", "old")
      known "k"
      C.reader_hold(reader, nil)
      assert(held "k" >= 0)
      change()
      assert.equal(C.READER_NOWHERE, held "k", name)
      local hit, value = recall "k"
      assert(hit ~= "same" and value ~= "old", name)
      assert.equal(C.READER_NOWHERE, held "k", name)
      C.reader_free(reader)
      g:ended()
    end
    begin()
    g:set("mortal", "v", 1000)
    known "mortal"
    C.reader_hold(reader, nil)
    assert.equal(C.READER_NOWHERE, held "mortal")
  end)

  -- The thread has seen that the group is open, and it is closed before the reader is called.
  it("gives nothing by its address once its group is closed", function()
    begin()
    g:set("k", "v")
    known "k"
    C.reader_hold(reader, nil)
    assert(held "k" >= 0)
    g:close()
    assert.equal(C.READER_NOWHERE, held "k")
    for _ = 1, 3 do
      recall "k"
      C.reader_hold(reader, nil)
      assert.equal(C.READER_NOWHERE, held "k")
    end
  end)

  it("looks at what is held once more after another key was removed", function()
    begin()
    g:set("k", "v")
    g:set("other", "v")
    known "k"
    C.reader_hold(reader, nil)
    g:remove "other"
    assert.equal(C.READER_NOWHERE, held "k")
    assert.equal("same", (recall "k"))
    assert(held "k" >= 0)
  end)

  it("takes any address for the copy of a value, near or far", function()
    begin()
    local key = "a key whose bytes stay where they are"
    g:set(key, "v")
    local near = ffi.cast("const char *", key) + 4096
    for _, copy in ipairs { near, near - 8192, ffi.cast("const char *", 8),
      ffi.cast("const char *", -1) } do
      known(key)
      C.reader_hold(reader, copy)
      assert(held(key) >= 0)
    end
  end)

  it("holds nothing that was forgotten before its owner said that it keeps it", function()
    begin()
    g:set("k", "v")
    recall "k"
    C.reader_forget_all(reader)
    C.reader_hold(reader, nil)
    assert.equal(C.READER_NOWHERE, held "k")
    assert.equal("other", (recall "k"))
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

  -- Puts n values in and gets each so often.
  local function ask(n, times)
    local keys = {}
    for i = 1, n do
      keys[i] = "key" .. i
      g:set(keys[i], "value" .. i)
    end
    for _ = 1, times do
      for i = 1, n do
        recall(keys[i])
      end
    end
    return keys
  end

  it("remembers all keys that are asked for, each at a place of its own", function()
    begin()
    local keys, places, same = ask(5000, 2), {}, 0
    for i, key in ipairs(keys) do
      local t, hit = g:recall(reader, key)
      assert.equal("value" .. i, t.value)
      assert(t.place >= 0 and t.place < 5000 and not places[t.place], t.place)
      places[t.place] = true
      same = same + (hit == "same" and 1 or 0)
    end
    assert(same >= 4990, same) -- a key may find all its slots taken
    assert(g:stats().remembered_items >= 4990)
    assert(g:stats().remembered_bytes > 50 * 5000)
  end)

  it("remembers what it can without memory for more", function()
    begin()
    local keys = ask(16, 1) -- half of the slots that there are at first
    for i = 17, 200 do
      keys[i] = "key" .. i
      g:set(keys[i], "value" .. i)
      C.mem_fail_after(0)
      assert.same({ "other", "value" .. i, "main" }, { recall(keys[i]) })
      C.mem_fail_after(-1)
    end
    for i, key in ipairs(keys) do
      assert.equal("value" .. i, select(2, recall(key)))
    end
  end)

  it("shares remember_bytes with the other readers", function()
    begin { remember_bytes = 200000 }
    ask(5000, 3)
    local alone = g:stats().remembered_bytes
    assert(alone <= 200000 and alone > 190000, alone)
    local other = g:reader()
    for i = 1, 5000 do
      g:recall(other, "key" .. i)
    end
    local both = g:stats().remembered_bytes
    assert(both > alone and both <= 300000, both) -- the first one has not learned of the second
    for _ = 1, 100000 do
      recall "key1"
    end
    both = g:stats().remembered_bytes
    C.reader_free(other)
    assert(both <= 200000, both)
  end)

  it("remembers nothing with remember_bytes = 0, and no large part of it", function()
    for bytes, large in pairs { [0] = 1, [64000] = 2000 } do
      begin { remember_bytes = bytes }
      g:set("large", ("x"):rep(large))
      for _ = 1, 3 do
        local t, hit = g:recall(reader, "large")
        assert.same({ "other", C.READER_NOWHERE, ("x"):rep(large) }, { hit, t.place, t.value })
      end
      assert.equal(0, g:stats().remembered_items)
      assert.equal(3, g:stats().main.hits)
      C.reader_free(reader)
      g:ended()
    end
    begin()
  end)

  it("keeps what is asked for often when there is no room for all", function()
    begin { remember_bytes = 64000 }
    ask(5000, 1)
    local same = 0
    for i = 1, 20000 do
      recall("key" .. i % 5000 + 1)
      same = same + (recall("key" .. i % 50 + 1) == "same" and 1 or 0)
    end
    assert(same > 15000, same)
  end)

  it("gives memory back of keys that are not asked for any more", function()
    begin()
    ask(5000, 2)
    local before, age = g:stats().remembered_bytes, C.reader_age(reader)
    local hits = 0
    while hits < 600000 and g:stats().remembered_items > 1 do -- two rounds of the hand at most
      for _ = 1, 10000 do
        recall "key1"
      end
      hits = hits + 10000
    end
    assert.equal(1, g:stats().remembered_items)
    assert(g:stats().remembered_bytes < before / 1000)
    assert.equal(age + 1, C.reader_age(reader))
    assert.same({ "same", "value1", "main" }, { recall "key1" })
  end)

  it("counts the copies of its owner, and says which are of no use any more", function()
    begin()
    ask(20, 2)
    local bytes = g:stats().remembered_bytes
    local other = g:reader(true)
    local places = {}
    for i = 1, 20 do
      places[i] = g:recall(other, "key" .. i).place
    end
    assert(g:stats().remembered_bytes > 2 * bytes + 20 * #"key1value1")
    assert.equal(0, C.reader_left(other))
    for i = 1, 3 do
      g:remove("key" .. i)
      assert.is_nil((g:recall(other, "key" .. i)))
    end
    assert.equal(3, C.reader_left(other))
    g:set("key1", "new")
    local again = g:recall(other, "key1").place -- a place that was left is taken again
    assert.equal(places[3], again)
    assert.equal(2, C.reader_left(other))
    assert.equal(places[1], C.reader_take_left(other))
    assert.equal(places[2], C.reader_take_left(other))
    assert.equal(C.READER_NOWHERE, C.reader_take_left(other))
    C.reader_free(other)
  end)

  it("forgets all", function()
    begin()
    ask(20, 2)
    assert.equal(20, g:stats().remembered_items)
    C.reader_forget_all(reader)
    assert.equal(0, g:stats().remembered_items)
    assert.equal(0, g:stats().remembered_bytes)
    assert.equal("other", (recall "key4"))
  end)

  it("counts hits before a flush and after it, in one ring", function()
    begin()
    g:set("k", "v")
    known "k"
    for _ = 1, 10 do
      recall "k"
    end
    g:flush()
    g:set("k", "new")
    known "k"
    for _ = 1, 100 do
      assert.same({ "same", "new", "main" }, { recall "k" })
    end
    assert.equal(2 + 10 + 2 + 100, g:stats().main.hits)
    assert.equal(1, g:stats().main.items)
  end)

  it("keeps an evicted item until the slot gets another", function()
    begin { cache_bytes = 4096, eviction = C.EVICT_LRU }
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
