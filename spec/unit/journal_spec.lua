-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local tmp = require "support.tmp"
local C = require("support.unit").load("store/journal.h", "cache/changelog.h", "base/clock.h",
  "base/err.h")

describe("the journal", function()
  local e = ffi.new "struct error"

  it("keeps the notes of a process for the next one", function()
    local path = tmp.dir() .. "/journal"
    local j = C.journal_open(path, e)
    local began = C.journal_began_ms(j)
    C.journal_notes(j).list[0].name = 7
    C.journal_notes(j).n = 1
    C.journal_close(j)
    j = C.journal_open(path, e)
    assert.equal(1ULL, C.journal_notes(j).n)
    assert.equal(7ULL, C.journal_notes(j).list[0].name)
    assert.equal(began, C.journal_began_ms(j))
    C.journal_close(j)
  end)

  it("begins anew if the file is of another start of the machine, or something else", function()
    local path = tmp.dir() .. "/journal"
    C.journal_close(C.journal_open(path, e))
    local whole = tmp.read(path)
    for _, bytes in ipairs { whole:sub(1, 8) .. "another" .. whole:sub(16), "a text", "" } do
      tmp.write(path, bytes)
      local now = C.clock_boot_ms()
      local j = C.journal_open(path, e)
      assert.equal(0ULL, C.journal_notes(j).n)
      assert.is_true(C.journal_began_ms(j) >= now)
      C.journal_close(j)
    end
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
