-- SPDX-License-Identifier: MIT

-- With this seed a get joined a load that had asked a stand-in before it was told of a confirmed
-- change: spec/regress/106-load-joined-at-a-stand-in_spec.lua.

local process = require "support.process"

local build = os.getenv "BUILD" or "build"

describe("the simulator", function()
  it("breaks no rule with seed 69, which it did: get joined a load at a stand in", function()
    local got = process.run { build .. "/test/sim", timeout = 120, env = { SIM_KEEP = "1" },
      "69", "63611",
      "0-14,16-19383,19385-19397,19399-19524,19526-20623,20625-20631,20636-99999" }
    assert.equal(0, got.code, got.stdout .. got.stderr)
  end)
end)
