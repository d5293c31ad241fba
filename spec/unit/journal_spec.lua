-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local tmp = require "support.tmp"
local C = require("support.unit").load("store/journal.h", "base/buf.h", "base/clock.h",
  "base/err.h")

-- The names of a group since a time, newest first, and whether they are all.
local function since(j, group, ms)
  local out = ffi.new "struct buf"
  C.buf_init(out, 0)
  local complete = C.journal_since(j, group, ms, out)
  local list, names = {}, ffi.cast("uint64_t *", out.data)
  for i = 1, tonumber(out.len) / 8 do
    list[i] = tonumber(names[i - 1])
  end
  C.buf_deinit(out)
  return list, complete == 1
end

describe("the journal", function()
  local e = ffi.new "struct error"

  it("keeps the notes of a process for the next one", function()
    local path = tmp.dir() .. "/journal"
    local j = C.journal_open(path, e)
    local began = C.journal_began_ms(j)
    C.journal_note(j, 1, 7)
    C.journal_close(j)
    j = C.journal_open(path, e)
    C.journal_note(j, 1, 8)
    assert.same({ 8, 7 }, (since(j, 1, 0)))
    assert.equal(began, C.journal_began_ms(j))
    C.journal_close(j)
  end)

  it("begins anew if the file is of another start of the machine, or something else", function()
    local path = tmp.dir() .. "/journal"
    local j = C.journal_open(path, e)
    C.journal_note(j, 1, 7)
    C.journal_close(j)
    local whole = tmp.read(path)
    for _, bytes in ipairs { whole:sub(1, 8) .. "another" .. whole:sub(16), "a text", "" } do
      tmp.write(path, bytes)
      local now = C.clock_boot_ms()
      j = C.journal_open(path, e)
      assert.same({}, (since(j, 1, 0)))
      assert.is_true(C.journal_began_ms(j) >= now)
      C.journal_close(j)
    end
  end)

  it("has the changes of a group since a time, and says when it has forgotten some", function()
    local j = C.journal_open(tmp.dir() .. "/journal", e)
    assert.same({ {}, true }, { since(j, 1, 0) })
    C.journal_note(j, 1, 7)
    C.journal_note(j, 2, 9)
    C.clock_advance(1000)
    local later = C.clock_boot_ms()
    C.journal_note(j, 1, 8)
    assert.same({ { 8 }, true }, { since(j, 1, later) })
    assert.same({ { 8, 7 }, true }, { since(j, 1, 0) })
    assert.same({ { 9 }, true }, { since(j, 2, 0) })
    for i = 1, C.JOURNAL_NOTES - 3 do
      C.journal_note(j, 1, i)
    end
    local names, complete = since(j, 1, later)
    assert.same({ C.JOURNAL_NOTES - 2, true }, { #names, complete })
    C.journal_note(j, 1, 0)
    assert.is_false(select(2, since(j, 1, 0)))
    assert.is_true(select(2, since(j, 1, later)))
    C.journal_note(j, 1, 0)
    C.journal_note(j, 1, 0) -- the oldest that is left is not older
    assert.is_false(select(2, since(j, 1, later)))
    C.journal_close(j)
  end)

  it("is one process's, and says where it cannot be", function()
    local path = tmp.dir() .. "/journal"
    local j = C.journal_open(path, e)
    assert.is_true(C.journal_open(path, e) == nil)
    assert.equal("snapshot_path: " .. path .. ": another node has it", ffi.string(e.msg))
    C.journal_close(j)
    assert.is_true(C.journal_open("/nowhere/journal", e) == nil)
    assert.matches("No such file or directory", ffi.string(e.msg))
    C.journal_close(nil)
  end)
end)
