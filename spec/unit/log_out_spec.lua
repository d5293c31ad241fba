-- SPDX-License-Identifier: MIT

local fcntl = require "posix.fcntl"
local process = require "support.process"
local stdlib = require "posix.stdlib"
local tmp = require "support.tmp"
local unistd = require "posix.unistd"
local unit = require "support.unit"
unit.load "base/log_out.h"

local sanitized = os.getenv "SAN" == "address" or os.getenv "SAN" == "thread"
local it_plain = sanitized and pending or it -- the library would need its runtime first

local function run(code, opts)
  local argv = { os.getenv "LUAJIT" or "luajit", "-e", ([[
    local ffi = require "ffi"
    ffi.cdef "void log_out_line(const char *line, size_t n); void log_out_tick(void);"
    local C = ffi.load(%q)
    local function line(s) C.log_out_line(s .. "\n", #s + 1) end
    %s
  ]]):format(unit.library, code) }
  for k, v in pairs(opts) do
    argv[k] = v
  end
  local p = process.spawn(argv)
  assert.equal(0, p:wait(10))
end

describe("a log line", function()
  it_plain("goes to the end of a file that others write to as well", function()
    local path = tmp.dir() .. "/log"
    run([[
      for i = 1, 3 do
        line("line " .. i)
        io.stderr:write("another\n")
      end
    ]], { stderr = path })
    assert.equal(("line 1\nanother\nline 2\nanother\nline 3\nanother\n"), tmp.read(path))
  end)

  it_plain("never waits for a terminal that is full", function()
    local master = assert(stdlib.openpt(fcntl.O_RDWR + fcntl.O_NOCTTY))
    assert(stdlib.grantpt(master) and stdlib.unlockpt(master))
    local terminal = assert(fcntl.open(stdlib.ptsname(master), fcntl.O_RDWR + fcntl.O_NOCTTY))
    run([[for i = 1, 20000 do line("a line of the log, number " .. i) end]],
      { stderr_fd = terminal })
    unistd.close(terminal)
    assert.matches("^a line of the log, number 1\r\n", unistd.read(master, 4096))
    unistd.close(master)
  end)

  it_plain("goes where stderr was turned meanwhile", function()
    local first, second = tmp.dir() .. "/first", tmp.dir() .. "/second"
    run(([[
      ffi.cdef "int open(const char *, int, int); int dup2(int, int);"
      line "one"
      ffi.C.dup2(ffi.C.open(%q, 1 + 64, 420), 2)
      line "two"
    ]]):format(second), { stderr = first })
    assert.same({ "one\n", "two\n" }, { tmp.read(first), tmp.read(second) })
  end)
end)
