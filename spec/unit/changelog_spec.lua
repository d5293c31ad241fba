-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load("cache/changelog.h", "base/buf.h", "base/clock.h")

local NOTES = 16384

describe("the log of changes", function()
  local l
  local group, other = C.changelog_group "g", C.changelog_group "other"

  before_each(function()
    l = C.changelog_new(nil)
  end)

  after_each(function()
    C.changelog_free(l)
  end)

  local function name(key, of)
    return C.changelog_name(of or group, key, #key)
  end

  -- The names since a time, newest first, and whether they are all.
  local function since(ms, of)
    local out = ffi.new "struct buf"
    C.buf_init(out, 0)
    local complete = C.changelog_since(l, of or group, ms, out)
    local list, names = {}, ffi.cast("uint64_t *", out.data)
    for i = 1, tonumber(out.len) / 8 do
      list[i] = names[i - 1]
    end
    C.buf_deinit(out)
    return list, complete == 1
  end

  it("is empty and complete at first", function()
    local names, complete = since(0)
    assert.same({}, names)
    assert.is_true(complete)
  end)

  it("has the changes of a group since a time", function()
    C.changelog_note(l, group, name "a")
    C.changelog_note(l, other, name("a", other))
    C.clock_advance(1000)
    local later = C.clock_boot_ms()
    C.changelog_note(l, group, name "b")
    C.changelog_note(l, group, group) -- a flush
    assert.same({ group, name "b" }, (since(later)))
    assert.same({ group, name "b", name "a" }, (since(0)))
    assert.same({ name("a", other) }, (since(0, other)))
    assert.not_equal(name "a", name("a", other))
  end)

  it("says when it has forgotten some", function()
    local began = C.clock_boot_ms()
    C.changelog_note(l, group, name "first")
    C.clock_advance(1000)
    local later = C.clock_boot_ms()
    for i = 1, NOTES - 1 do
      C.changelog_note(l, group, name("k" .. i))
    end
    local names, complete = since(began)
    assert.same({ NOTES, true }, { #names, complete })
    C.changelog_note(l, group, name "last")
    names, complete = since(began)
    assert.same({ NOTES, false }, { #names, complete })
    C.clock_advance(1000)
    local newer = C.clock_boot_ms()
    C.changelog_note(l, group, name "newer") -- "k1" is forgotten, which is of `later`
    names, complete = since(later)
    assert.same({ NOTES, false }, { #names, complete })
    names, complete = since(newer)
    assert.same({ 1, true }, { #names, complete })
  end)

  it("goes on with the notes of an earlier process", function()
    local notes = ffi.new "struct changelog_notes"
    local first = C.changelog_new(notes)
    C.changelog_note(first, group, name "a")
    C.changelog_free(first)
    C.changelog_free(l)
    l = C.changelog_new(notes)
    C.changelog_note(l, group, name "b")
    assert.same({ name "b", name "a" }, (since(0)))
    assert.is_true(C.changelog_began_ms(l) <= C.clock_boot_ms())
  end)
end)
