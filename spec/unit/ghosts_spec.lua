-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load("cache/ghosts.h", "base/mem.h")

describe("ghosts", function()
  local g

  before_each(function()
    g = ffi.new "struct ghosts"
  end)

  after_each(function()
    C.mem_fail_after(-1)
    C.ghosts_deinit(g)
  end)

  -- Hashes that are spread over all rows.
  local function hash(i)
    return ffi.cast("uint32_t", i * 2654435761ULL)
  end

  it("know nothing at first, and nothing without room", function()
    C.ghosts_note(g, 1, 3)
    assert.equal(0, C.ghosts_uses(g, 1))
    assert.equal(0, tonumber(C.ghosts_bytes(g)))
    C.ghosts_fit(g, 100)
    assert.equal(0, C.ghosts_uses(g, 1))
  end)

  it("remember the uses of a key, and the later of two numbers", function()
    C.ghosts_fit(g, 100)
    C.ghosts_note(g, 77, 3)
    C.ghosts_note(g, 78, 15)
    assert.equal(3, C.ghosts_uses(g, 77))
    C.ghosts_note(g, 77, 9)
    assert.equal(9, C.ghosts_uses(g, 77))
    assert.equal(15, C.ghosts_uses(g, 78))
  end)

  it("lose the oldest of a row, not the one that was noted again", function()
    C.ghosts_fit(g, 1) -- one row, of four
    for i = 1, 4 do
      C.ghosts_note(g, i, i)
    end
    C.ghosts_note(g, 1, 5)
    C.ghosts_note(g, 6, 6)
    local uses = {}
    for i = 1, 6 do
      uses[i] = C.ghosts_uses(g, i)
    end
    assert.same({ 5, 0, 3, 4, 0, 6 }, uses)
  end)

  it("remember most of as many keys as there are items, in 3 bytes an item", function()
    C.ghosts_fit(g, 10000)
    assert.is_true(C.ghosts_bytes(g) <= 3 * 10000 + 32)
    for i = 1, 10000 do
      C.ghosts_note(g, hash(i), 1 + i % 15)
    end
    local right = 0
    for i = 1, 10000 do
      right = right + (C.ghosts_uses(g, hash(i)) == 1 + i % 15 and 1 or 0)
    end
    assert.is_true(right > 9000, right)
  end)

  it("seldom take a new key for a ghost", function()
    C.ghosts_fit(g, 10000)
    for i = 1, 40000 do
      C.ghosts_note(g, hash(i), 1)
    end
    local wrong = 0
    for i = 50001, 150000 do
      wrong = wrong + (C.ghosts_uses(g, hash(i)) > 0 and 1 or 0)
    end
    assert.is_true(wrong < 200, wrong) -- four cells of 4096 marks: one in a thousand
  end)

  it("stay when there is room enough, and begin anew when there is not", function()
    C.ghosts_fit(g, 1000)
    C.ghosts_note(g, 5, 5)
    C.ghosts_fit(g, 1900)
    C.ghosts_fit(g, 300)
    assert.equal(5, C.ghosts_uses(g, 5))
    C.ghosts_fit(g, 3000)
    assert.equal(0, C.ghosts_uses(g, 5))
  end)

  it("are none without memory", function()
    C.mem_fail_after(0)
    C.ghosts_fit(g, 1000)
    C.ghosts_note(g, 5, 5)
    assert.equal(0, C.ghosts_uses(g, 5))
  end)
end)
