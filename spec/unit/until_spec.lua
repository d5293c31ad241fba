-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load("wire/until.h", "base/clock.h")

local THEIRS = 3ULL * 1000000000000 -- their clock when ours says 0

local function heard(u, asked, answered, theirs)
  C.until_heard(u, theirs, asked, answered)
end

describe("the time until which a set may be carried out", function()
  local u

  before_each(function()
    u = ffi.new "struct until"
  end)

  it("is not known before an answer", function()
    assert.equal(0ULL, C.until_at(u, 1000))
  end)

  it("is never later than what is meant, however slow the ways are", function()
    for _, way in ipairs { { 1, 1 }, { 400, 2 }, { 2, 400 }, { 900, 900 } } do
      local asked = 50000
      local read = asked + way[1]
      u = ffi.new "struct until"
      heard(u, asked, read + way[2], THEIRS + read)
      local at = read + way[2] + 250
      local said = C.until_at(u, at)
      assert(said <= THEIRS + at)
      assert(said >= THEIRS + at - way[2] - 10)
    end
  end)

  it("is that of the quickest answer", function()
    heard(u, 1000, 1002, THEIRS + 1001)
    heard(u, 2000, 2800, THEIRS + 2001)
    assert(C.until_at(u, 3000) >= THEIRS + 3000 - 10)
    u = ffi.new "struct until"
    heard(u, 1000, 1800, THEIRS + 1001)
    heard(u, 2000, 2002, THEIRS + 2001)
    assert(C.until_at(u, 3000) >= THEIRS + 3000 - 10)
  end)

  it("is less sure the longer ago that was", function()
    heard(u, 1000, 1001, THEIRS + 1001)
    local later = 1000 + 3600 * 1000
    local said = C.until_at(u, later)
    assert(said < THEIRS + later - 3000)
    heard(u, later, later + 1, THEIRS + later)
    assert(C.until_at(u, later + 1) >= THEIRS + later - 10)
  end)

  it("follows a clock that cannot be the one that was known", function()
    heard(u, 1000, 1001, THEIRS + 1001)
    for _, other in ipairs { 5ULL, THEIRS * 2, THEIRS - 60000, THEIRS + 60000 } do
      heard(u, 2000, 2010, other + 2005)
      local said = C.until_at(u, 2100)
      assert(said <= other + 2100 and said >= other + 2080)
    end
  end)

  it("is past behind it", function()
    assert.equal(0, C.until_is_past(5000, 4000))
    assert.equal(0, C.until_is_past(5000, 5000))
    assert.equal(1, C.until_is_past(5000, 5001))
  end)

  it("is no time if it is 0, or that of another process", function()
    assert.equal(1, C.until_is_past(0, C.until_clock()))
    assert.equal(1, C.until_is_past(THEIRS * 2, THEIRS))
  end)
end)

describe("a process's clock for sets", function()
  it("goes on", function()
    local before = C.until_clock()
    assert(before > 0)
    C.clock_advance(1000)
    assert(C.until_clock() >= before + 1000)
  end)
end)
