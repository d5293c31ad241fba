-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load "store/snapshot.h"

describe("the form of a snapshot", function()
  it("has no holes, whose bytes would be in no checksum", function()
    assert.same({ 96, 40, 24 }, { ffi.sizeof "struct snapshot_head",
      ffi.sizeof "struct snapshot_block", ffi.sizeof "struct snapshot_record" })
    assert.equal(2, C.SNAPSHOT_VERSION)
  end)
end)
