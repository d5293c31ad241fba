-- SPDX-License-Identifier: MIT

local unistd = require "posix.unistd"
local unit = require "support.unit"
local C = unit.load "base/reaper.h"

describe("the reaper", function()
  it("does nothing in a process that is not the first", function()
    local pid = unistd.getpid()
    C.reaper_start()
    assert.equal(pid, unistd.getpid())
  end)
end)
