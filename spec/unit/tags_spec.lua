-- SPDX-License-Identifier: MIT

-- The table of removed tags against a plain one, and values with tags in a group.

jit.off(true, true) -- the group calls back into Lua

local engine = require "unit.engine"
local ffi = require "ffi"
local key_ref = require "unit.key_ref"
require("support.unit").load("cache/tags.h", "cache/extra.h", "cache/group.h",
  "cache/group_hand.h", "cache/reader.h", "base/mem.h", "base/clock.h", "base/err.h",
  "base/traceparent.h", "base/buf.h")
local C = engine.C

local MOST = tonumber(C.TAGS_MOST)

local function key_of(tag)
  local out = ffi.new("char[?]", C.TAGS_KEY)
  C.tags_key(out, type(tag) == "string" and C.extra_tag_hash(tag, #tag) or tag)
  return ffi.string(out, C.TAGS_KEY)
end

local function extra_of(tags)
  local x, e = ffi.new "struct extra", ffi.new "struct error"
  for _, tag in ipairs(tags) do
    assert.equal(0, tonumber(C.extra_put_tag(x, tag, #tag, e)))
  end
  return x
end

describe("the table of removed tags", function()
  local t

  before_each(function()
    t = ffi.new "struct tags"
    C.tags_init(t)
  end)

  after_each(function()
    C.mem_fail_after(-1)
    C.tags_deinit(t)
  end)

  local function removed(hashes, began)
    return tonumber(C.tags_removed(t, ffi.new("uint32_t[?]", #hashes, hashes), #hashes, began))
  end

  it("knows the first removal behind a time", function()
    assert.equal(0, removed({ 1, 2 }, 0))
    C.tags_remove(t, 1) -- 1
    C.tags_remove(t, 2) -- 2
    assert.equal(1, removed({ 1, 2 }, 0))
    assert.equal(2, removed({ 1, 2 }, 1))
    assert.equal(0, removed({ 1, 2 }, 2))
    assert.equal(0, removed({ 3 }, 0))
    C.tags_remove(t, 1) -- 3
    assert.equal(3, removed({ 1, 3 }, 1))
    assert.equal(2, removed({ 1, 2 }, 0)) -- the removal 1 is not the last of its tag
  end)

  it("holds a bound, and says perhaps about what it has forgotten", function()
    math.randomseed(19)
    local last = {}
    for i = 1, 3 * MOST do
      local hash = math.random() < 0.3 and math.random(100) or math.random(2 ^ 32) - 1
      C.tags_remove(t, hash)
      last[hash] = i
      if i % 997 == 0 then
        assert.is_true(tonumber(t.n) <= MOST and tonumber(t.cap) <= 2 * MOST)
        for tag, number in pairs(last) do
          if math.random() < 0.01 then
            local began = math.random(0, i)
            local got = removed({ tag }, began)
            if began < tonumber(t.floor) then
              assert.equal(began + 1, got)
            else
              assert.equal(number > began and number or 0, got)
            end
          end
        end
      end
    end
    assert.is_true(tonumber(t.floor) > 0)
    assert.is_true(tonumber(t.last - t.floor) >= MOST / 2)
  end)

  it("says perhaps of all tags when there is no memory", function()
    C.tags_remove(t, 1)
    C.mem_fail_after(0)
    for hash = 2, 100 do
      C.tags_remove(t, hash)
    end
    C.mem_fail_after(-1)
    assert.equal(2, removed({ 777 }, 1))
    assert.equal(0, removed({ 777 }, 100))
    C.tags_remove(t, 777)
    assert.equal(101, removed({ 777 }, 100))
  end)

  it("has keys that stand for tags, and no other key does", function()
    local hash = ffi.new "uint32_t[1]"
    for _, want in ipairs { 0, 1, 0x12345678, 0xffffffff } do
      local key = key_of(want)
      assert.equal(1, C.tags_is_key(key, #key, hash))
      assert.equal(want, tonumber(hash[0]))
    end
    for _, key in ipairs { "", "a", "\0tag\0", "\0tag\0abc", "\0tag\0abcde", "\1tag\0abcd" } do
      assert.equal(0, C.tags_is_key(key, #key, hash))
    end
  end)
end)

describe("a value with tags", function()
  local g
  local e = ffi.new "struct error"

  before_each(function()
    g = engine.group()
  end)

  after_each(function()
    g:ended()
  end)

  -- Ends the oldest load with that value and these tags.
  local function finish(value, tags)
    local load = table.remove(g.loads, 1)
    local x = extra_of(tags)
    local v = ffi.new("struct given", { bytes = value, n = #value, extra = x.bytes,
      extra_len = x.n })
    C.group_end_given(load.flight, v, e)
  end

  local function remove(tag)
    local key = key_of(tag)
    C.group_remove(g.c, key_ref(key))
  end

  local function get(key, value, tags)
    local t = g:get(key)
    if not t.hit then
      finish(value, tags)
    end
    return t.value, t.hit or false
  end

  it("costs at most eight bytes a tag, if it has four", function()
    local x, k = extra_of { "a", "b", "c", "d" }, key_ref(("k"):rep(12))
    local value = ("v"):rep(100)
    -- A single item may have a larger piece of memory than it needs, which was free.
    local function cost(x_bytes, n)
      local items, least = {}, math.huge
      for i = 1, 200 do
        items[i] = C.item_new_extra(k, value, #value, 0, x_bytes, n)
        least = math.min(least, tonumber(C.item_cost(items[i])))
      end
      for _, it in ipairs(items) do
        C.item_unref(it)
      end
      return least
    end
    assert.is_true(cost(x.bytes, x.n) - cost(nil, 0) <= 4 * 8)
  end)

  it("is removed by any of them, and by no other", function()
    get("k", "1", { "a", "b" })
    get("l", "1", { "c" })
    get("m", "1", {})
    assert.same({ "1", true }, { get("k") })
    remove "x"
    for _, key in ipairs { "k", "l", "m" } do
      assert.same({ "1", true }, { get(key) })
    end
    remove "b"
    assert.same({ "2", false }, { get("k", "2", { "a", "b" }) })
    assert.same({ "1", true }, { get "l" })
    assert.same({ "1", true }, { get "m" })
    assert.same({ "2", true }, { get "k" })
    remove "a"
    remove "c"
    assert.same({ "3", false }, { get("k", "3", { "a" }) })
    assert.same({ "2", false }, { get("l", "2", { "c" }) })
  end)

  -- A change of 10,000 tags is made twice, once a step. Its notes are more than the log of a small
  -- group has room for: a node that joins is then told to flush.
  it("is removed by the first of ten thousand tags, though the log of changes is full", function()
    get("k", "1", { "t1" })
    get("l", "1", { "c" })
    for _ = 1, 2 do
      for i = 1, 10000 do
        remove("t" .. i)
      end
    end
    assert.same({ "2", false }, { get("k", "2", { "t1" }) })
    assert.same({ "1", true }, { get "l" })
    local keys = ffi.new "struct buf[1]"
    C.buf_init(keys, 0)
    assert.equal(0, C.group_change_keys(g.c, 0, keys))
    C.buf_deinit(keys)
    assert.same({ "2", true }, { get "k" })
  end)

  it("is not kept if a tag was removed during its load", function()
    local t = g:get "k"
    remove "a"
    finish("old", { "a" })
    assert.equal("old", t.value) -- it asked before
    assert.same({ "new", false }, { get("k", "new", { "a" }) })
    assert.same({ "new", true }, { get "k" })
  end)

  it("is not given to those who asked after the removal, though they joined the load", function()
    local before = g:get "k"
    remove "a"
    local behind, other = g:get "k", g:get "k"
    assert.equal(1, #g.loads)
    remove "b"
    finish("old", { "a" })
    assert.equal("old", before.value)
    assert.is_nil(behind.value)
    assert.equal(1, #g.loads)
    finish("new", { "a" })
    assert.same({ "new", "new" }, { behind.value, other.value })
    assert.same({ "new", true }, { get "k" })
  end)

  it("is loaded again in the trace of its first load, since a caller lends its own for the call",
    function()
      local id = ("5"):rep(32)
      local line = "00-" .. id .. "-" .. ("7"):rep(16) .. "-01"
      local trace = ffi.new "struct traceparent[1]"
      assert.equal(1, C.traceparent_read(trace, line, #line, nil, 0))
      g:load("k", false, nil, false, trace)
      remove "a"
      local behind = g:load("k", false, nil, false, trace)
      ffi.fill(trace, ffi.sizeof(trace))
      finish("old", { "a" })
      assert.equal(id, ffi.string(g.loads[1].flight.trace.text, #line):sub(4, 35))
      finish("new", { "a" })
      assert.equal("new", behind.value)
    end)

  it("is loaded again for a getter that may end meanwhile", function()
    local outer = g:load "outer" and g.loads[1]
    g:release(outer)
    local before = g:get "k"
    remove "a"
    local behind = g:load("k", false, outer)
    local refs
    function before.on_wake()
      refs = tonumber(outer.flight.refs)
      C.group_finish_error(outer.flight, C.ERR_TIMEOUT, "late")
    end
    finish("old", { "a" })
    assert.equal(3, refs) -- of its group, its loader, and the get that waits for another load
    finish("new", { "a" })
    assert.equal("new", behind.value)
  end)

  it("is loaded here again for a load that fell back from another owner", function()
    local ours = true
    g:ended()
    g = engine.group { owner = function() return not ours end }
    local before = g:get "k"
    remove "a"
    ours = false
    local behind = g:get "k"
    assert.equal("remote", g.loads[2].kind)
    g:fallback(g.loads[2], false)
    finish("old", { "a" })
    assert.equal("old", before.value)
    assert.same({ 1, "local" }, { #g.loads, g.loads[1] and g.loads[1].kind })
    finish("new", { "a" })
    assert.same({ "new", nil }, { behind.value, behind.code })
  end)

  it("is kept when other tags were removed during its load", function()
    local t = g:get "k"
    remove "b"
    local behind = g:get "k"
    finish("v", { "a" })
    assert.same({ "v", "v" }, { t.value, behind.value })
    assert.same({ "v", true }, { get "k" })
  end)

  it("is not remembered past the removal by a reader", function()
    local r, found = C.reader_new(g.c, 0), ffi.new "struct recalled"
    get("k", "1", { "a" })
    local key = "k"
    for _ = 1, 5 do
      assert.is_true(C.reader_recall(r, key, #key, found) ~= C.HIT_NONE)
    end
    remove "a"
    assert.is_true(C.reader_recall(r, key, #key, found) == C.HIT_NONE)
    C.reader_free(r)
  end)

  it("is not handed over, nor walked over, nor seen, once its tag was removed", function()
    get("k", "1", { "a" })
    get("l", "1", { "b" })
    remove "a"
    local items, source = ffi.new "struct item *[10]", ffi.new "enum source[1]"
    assert.equal(1, tonumber(C.group_hand_list(g.c, 10, items)))
    C.item_unref(items[0])
    local at, n = ffi.new "size_t[1]", 0
    while at[0] ~= 0xffffffffffffffffULL do
      local some = tonumber(C.group_walk(g.c, at, items, 10))
      for i = 0, some - 1 do
        C.item_unref(items[i])
      end
      n = n + some
    end
    assert.equal(1, n)
    assert.is_true(C.group_peek(g.c, key_ref("k"), source) == nil)
  end)

  it("is not taken from another node if it is older than a removal here", function()
    local x = extra_of { "a" }
    local key = key_ref("k")
    local v = ffi.new("struct group_handed", { bytes = "old", n = 3, age_s = 1, extra = x.bytes,
      extra_len = x.n })
    remove "a"
    assert.equal(0, C.group_hand_keep(g.c, key, v))
    C.clock_advance(10000)
    assert.equal(1, C.group_hand_keep(g.c, key, v))
    assert.same({ "old", true }, { get "k" })
    remove "a"
    assert.same({ "new", false }, { get("k", "new", {}) })
    local t = g:get "l"
    v.age_s = 100
    assert.equal(0, C.group_hand_finish(g.loads[1].flight, v))
    finish("new", { "a" })
    assert.equal("new", t.value)
  end)

  it("is freed in a while, though nobody asks for it and it never expires", function()
    for i = 1, 50 do
      get("k" .. i, "1", { "a" })
    end
    local keep = g:stats().main.items
    remove "a"
    get("l", "1", {})
    for _ = 1, 100 do
      C.clock_advance(200)
      C.group_tick(g.c, C.clock_ms())
    end
    assert.equal(tonumber(keep) - 50 + 1, tonumber(g:stats().main.items))
  end)

  it("that is stored by a set is removed, too", function()
    local x = extra_of { "a" }
    local v = ffi.new("struct given", { bytes = "set", n = 3, extra = x.bytes, extra_len = x.n })
    remove "a"
    assert.equal(0, tonumber(C.group_change_given(g.c, key_ref("k"), v, e)))
    assert.same({ "set", true }, { get "k" })
    remove "a"
    assert.same({ "new", false }, { get("k", "new", {}) })
  end)
end)
