-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load "cache/source.h"

describe("source", function()
  it("has the public words, each a name", function()
    local names = {}
    for s = 0, C.SOURCE_COUNT - 1 do
      names[s + 1] = ffi.string(C.source_name(s))
      assert.equal(1, C.source_is_name(names[s + 1]))
    end
    assert.equal("main hot peer local stale", table.concat(names, " "))
  end)

  it("knows no other", function()
    for _, word in ipairs { "", "Main", "main ", "unknown" } do
      assert.equal(0, C.source_is_name(word))
    end
    assert.equal("unknown", ffi.string(C.source_name(C.SOURCE_COUNT)))
  end)
end)
