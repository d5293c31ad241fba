-- SPDX-License-Identifier: MIT

local eventually = require "support.eventually"
local lfs = require "lfs"
local tmp = require "support.tmp"
local unit = require "support.unit"
local ffi = require "ffi"
local C = unit.load("base/spool.h", "base/err.h")

describe("a spool", function()
  it("appends lines to a file, all of them by its end", function()
    local path = tmp.file("old\n", "log")
    local s = C.spool_open(path, nil)
    for i = 1, 3 do
      local line = "line " .. i .. "\n"
      C.spool_put(s, line, #line)
    end
    C.spool_close(s)
    assert.equal("old\nline 1\nline 2\nline 3\n", tmp.read(path))
  end)

  it("writes soon, and opens its file anew when it is told", function()
    local path = tmp.dir() .. "/log"
    local s = C.spool_open(path, nil)
    C.spool_put(s, "first\n", 6)
    eventually(function() return tmp.read(path) == "first\n" end, 5, "the line is written")
    assert(os.rename(path, path .. ".1"))
    C.spool_reopen_all()
    eventually(function() return lfs.attributes(path, "mode") end, 5, "a new file")
    C.spool_put(s, "second\n", 7)
    C.spool_close(s)
    assert.same({ "first\n", "second\n" }, { tmp.read(path .. ".1"), tmp.read(path) })
  end)

  it("says why a file cannot be opened", function()
    local e = ffi.new "struct error"
    assert.is_true(C.spool_open("/nowhere/log", e) == nil)
    assert.equal("access_log /nowhere/log: No such file or directory", ffi.string(e.msg))
  end)

  it("that was never opened is closed without harm", function()
    C.spool_close(nil)
  end)
end)
