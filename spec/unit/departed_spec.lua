-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load("peer/departed.h")

describe("the peers that have left", function()
  local d

  before_each(function() d = ffi.new "struct departed" end)
  after_each(function() C.departed_deinit(d) end)

  local function ms(url)
    return tonumber(C.departed_ms(d, url))
  end

  it("are remembered with the last time", function()
    assert.equal(0, ms "a")
    C.departed_note(d, "a", 10)
    C.departed_note(d, "b", 20)
    C.departed_note(d, "a", 30)
    assert.same({ 30, 20, 0 }, { ms "a", ms "b", ms "c" })
  end)

  it("are forgotten when many others have left since", function()
    C.departed_note(d, "a", 10)
    for i = 1, C.DEPARTED_MOST do
      assert.equal(10, ms "a")
      C.departed_note(d, "b" .. i, 10 + i)
    end
    assert.equal(0, ms "a")
    assert.equal(11, ms "b1")
  end)
end)
