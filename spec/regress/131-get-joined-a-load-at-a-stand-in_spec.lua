-- SPDX-License-Identifier: MIT

-- With this seed a get joined a load that had asked a stand-in before it was told of a confirmed
-- change: spec/regress/130-load-joined-at-a-stand-in_spec.lua.

local process = require "support.process"

local build = os.getenv "BUILD" or "build"

describe("the simulator", function()
  it("breaks no rule with seed 490, which it did: get joined a load at a stand in", function()
    local got = process.run { build .. "/test/sim", timeout = 120, env = { SIM_KEEP = "1" },
      "490", "6653",
      "0-86,88-203,205-207,209-365,367-1037,1040-1047,1049-1050,1052-99999" }
    assert.equal(0, got.code, got.stdout .. got.stderr)
  end)
end)
