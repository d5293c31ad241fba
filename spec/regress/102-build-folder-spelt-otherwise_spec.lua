-- SPDX-License-Identifier: MIT

-- The folder of a build was named by its whole path once, and "build" later. The files with the
-- dependencies named objects by the other path, so a header that changed compiled nothing again,
-- and the program crashed.

local process = require "support.process"
local tmp = require "support.tmp"

local OBJECT = "/obj/src/base/num.o"

describe("a build in a folder", function()
  -- What make compiles of one object.
  local function compiled(folder)
    local r = process.run { "make", "--no-print-directory", "BUILD=" .. folder, folder .. OBJECT,
      timeout = 120, env = { MAKEFLAGS = false, MFLAGS = false, MAKELEVEL = false } }
    assert(r.code == 0, r.stdout .. r.stderr)
    return r.stdout:match "CC +(%S+)"
  end

  it("that is spelt in another way compiles again, and then no more", function()
    local dir = tmp.dir()
    assert.equal("src/base/num.c", compiled(dir .. "/build"))
    assert.is_nil(compiled(dir .. "/build"))
    assert.equal("src/base/num.c", compiled(dir .. "/./build"))
    assert.is_nil(compiled(dir .. "/./build"))
  end)
end)
