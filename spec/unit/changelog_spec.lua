-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load("cache/changelog.h", "base/buf.h", "base/clock.h",
  "base/mem.h")

local GROUP = C.changelog_group "g"
local MOST = C.CHANGELOG_BYTES

describe("the log of changes", function()
  local l

  before_each(function()
    l = ffi.new "struct changelog"
    C.changelog_init(l, GROUP)
  end)

  after_each(function()
    C.mem_fail_after(-1)
    C.changelog_deinit(l)
    assert.equal(0, tonumber(l.bytes))
  end)

  local function name(key)
    return C.changelog_name(GROUP, key, #key)
  end

  local function note(key, bound)
    C.changelog_note_key(l, name(key), key, #key, bound or MOST)
  end

  -- A later time of both clocks: all notes before are older.
  local function later()
    C.clock_advance(10)
    return { ms = C.clock_ms(), boot_ms = C.clock_boot_ms() }
  end

  -- The keys since a time, or nil if they are not known.
  local function keys(t)
    local out, list, at, n = ffi.new "struct buf", {}, 0, ffi.new "size_t[1]"
    C.buf_init(out, 0)
    local known = C.changelog_keys(l, t and t.ms or 0, out) == 1
    while at < tonumber(out.len) do
      ffi.copy(n, out.data + at, ffi.sizeof "size_t")
      list[#list + 1] = ffi.string(out.data + at + ffi.sizeof "size_t", n[0])
      at = at + ffi.sizeof "size_t" + tonumber(n[0])
    end
    C.buf_deinit(out)
    return known and list or nil
  end

  -- The names since a time, oldest first, and whether they are all.
  local function names(t)
    local out = ffi.new "struct buf"
    C.buf_init(out, 0)
    local complete = C.changelog_names(l, t and t.boot_ms or 0, out) == 1
    local list, all = {}, ffi.cast("uint64_t *", out.data)
    for i = 1, tonumber(out.len) / 8 do
      list[i] = all[i - 1]
    end
    C.buf_deinit(out)
    return list, complete
  end

  local function has(key, t)
    return C.changelog_has(l, name(key), t and t.ms or 0) == 1
  end

  it("is empty and complete at first", function()
    assert.same({}, keys())
    assert.same({ {}, true }, { names() })
    assert.is_false(has "a")
  end)

  it("has the keys and their names since a time, in order", function()
    note "a"
    local second = later()
    note "b\0"
    note ""
    assert.same({ "a", "b\0", "" }, keys())
    assert.same({ "b\0", "" }, keys(second))
    assert.same({ { name "b\0", name "" }, true }, { names(second) })
    assert.same({ true, false, true, true, false },
      { has "a", has("a", second), has("b\0", second), has("", second), has "c" })
    local third = later()
    assert.same({}, keys(third))
    assert.same({ {}, true }, { names(third) })
  end)

  it("gives a key another name in another group", function()
    assert.not_equal(name "a", C.changelog_name(C.changelog_group "other", "a", 1))
  end)

  it("remembers 16384 changes, and knows that it has forgotten more", function()
    note "first"
    local second = later()
    for i = 1, C.CHANGELOG_NOTES - 1 do
      note("k" .. i)
    end
    assert.equal(C.CHANGELOG_NOTES, #keys())
    assert.equal(C.CHANGELOG_NOTES, #names())
    assert.is_true(has "first")
    local last = later()
    note "last"
    assert.is_nil(keys())
    assert.is_false(select(2, names()))
    assert.is_true(has "never changed") -- for all that it knows
    assert.equal(C.CHANGELOG_NOTES, #keys(second))
    assert.same({ C.CHANGELOG_NOTES, true }, { #names(second), select(2, names(second)) })
    for _, i in ipairs { 1, 2, 8000, C.CHANGELOG_NOTES - 1 } do
      assert.is_true(has("k" .. i, second))
      assert.is_false(has("k" .. i, last))
    end
    assert.is_false(has("never changed", second))
    assert.same({ "last" }, keys(last))
  end)

  it("has a bound on its bytes", function()
    local long = ("x"):rep(1000)
    for _ = 1, 200 do
      note(long, 64 * 1024)
      assert(tonumber(l.bytes) <= 64 * 1024)
    end
    assert(l.next - l.first >= 50)
    assert.is_nil(keys())
    local t = later()
    note(("x"):rep(64 * 1024), 64 * 1024)
    assert.is_nil(keys(t))
    assert.same({}, keys(later()))
  end)

  it("takes a small part of what a group may have", function()
    assert.equal(C.CHANGELOG_LEAST_BYTES, tonumber(C.changelog_bound(0)))
    assert.equal(2 * 1024 * 1024, tonumber(C.changelog_bound(64 * 1024 * 1024)))
    assert.equal(C.CHANGELOG_BYTES, tonumber(C.changelog_bound(2ULL ^ 40)))
  end)

  it("holds all that was before in a flush", function()
    for i = 1, C.CHANGELOG_NOTES + 1 do
      note("k" .. i)
    end
    local before = later()
    note "a"
    C.changelog_note_all(l)
    assert.is_nil(keys(before))
    assert.same({ { GROUP }, true }, { names(before) })
    assert.is_false(select(2, names()))
    assert.is_true(has("never changed", before))
    local after = later()
    assert.is_false(has("a", after))
    note "b"
    assert.same({ "b" }, keys(after))
    assert.same({ { name "b" }, true }, { names(after) })
  end)

  it("forgets all when there is no memory", function()
    for fails = 0, 2 do -- the key, the ring, its buckets
      C.changelog_deinit(l)
      C.changelog_init(l, GROUP)
      C.mem_fail_after(fails)
      note "c"
      C.mem_fail_after(-1)
      assert.is_nil(keys())
      assert.is_true(has "c")
      assert.same({}, keys(later()))
    end
    C.mem_fail_after(0)
    C.changelog_note_all(l)
    C.mem_fail_after(-1)
    assert.is_nil(keys())
    assert.is_false(select(2, names()))
  end)
end)
