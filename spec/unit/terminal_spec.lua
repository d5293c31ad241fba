-- SPDX-License-Identifier: MIT

-- spec/regress/104-terminal-left-raw_spec.lua has a terminal.

local process = require "support.process"
local program = require "api.program"

describe("a terminal", function()
  it("is not taken when stdin is none, and giving back does nothing then", function()
    local out = process.run { "luajit", "-e", ([[
      package.path = %q
      require("posix.stdlib").setenv("LD_PRELOAD", nil) -- a shell does not run with a sanitizer
      local ffi = require "ffi"
      local C = require("support.unit").load "base/terminal.h"
      local e = ffi.new "struct error"
      C.terminal_give_back()
      print(C.terminal_take(e) ~= 0, ffi.string(e.msg))
      C.terminal_give_back()
    ]]):format(package.path), env = program.env(), stdin = "/dev/null",
      timeout = 30 }
    assert.equal("true\tstdin: Inappropriate ioctl for device\n", out.stdout)
  end)
end)
