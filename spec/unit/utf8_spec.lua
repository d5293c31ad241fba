-- SPDX-License-Identifier: MIT

local C = require("support.unit").load "base/utf8.h"

local function valid(bytes)
  return C.utf8_valid(bytes, #bytes) == 1
end

local function is_text(bytes)
  return C.utf8_is_text(bytes, #bytes) == 1
end

-- The first and the last of each length, and what is beside the surrogates.
local WELL_FORMED = { "", "\0", "a\127", "\194\128", "\223\191", "\224\160\128", "\237\159\191",
  "\238\128\128", "\239\191\191", "\240\144\128\128", "\244\143\191\191",
  "a\195\164\226\130\172\240\159\152\128z" }

-- Surrogates, what is longer than needed, above U+10FFFF, cut off, and stray bytes.
local ILL_FORMED = { "\128", "\191a", "\192\128", "\193\191", "\194", "\194a", "\224\159\191",
  "\224\160", "\237\160\128", "\237\191\191", "\240\143\191\191", "\240\144\128",
  "\244\144\128\128", "\245\128\128\128", "\254", "\255", "ok\195" }

describe("utf8", function()
  it("takes what is well formed", function()
    for _, bytes in ipairs(WELL_FORMED) do
      assert.is_true(valid(bytes), ("%q"):format(bytes))
    end
  end)

  it("refuses what is not", function()
    for _, bytes in ipairs(ILL_FORMED) do
      assert.is_false(valid(bytes), ("%q"):format(bytes))
      assert.is_false(is_text(bytes), ("%q"):format(bytes))
    end
  end)

  it("sees every byte at every place", function()
    for byte = 0, 255 do
      for at = 0, 17 do
        local c = string.char(byte)
        local bytes = (" "):rep(at) .. c .. ("~"):rep(17 - at)
        assert.equal(byte < 128, valid(bytes), byte .. " at " .. at)
        assert.equal(byte < 127 and (byte >= 32 or c:find "[\t\n\r]" ~= nil), is_text(bytes),
          byte .. " at " .. at)
      end
    end
  end)

  it("takes no control characters for text, but tab, line feed and carriage return", function()
    for byte = 0, 31 do
      local c = string.char(byte)
      assert.equal(c:find "[\t\n\r]" ~= nil, is_text("a" .. c), byte)
    end
    assert.is_true(is_text "\195\164")
  end)
end)
