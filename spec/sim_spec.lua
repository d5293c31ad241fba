-- SPDX-License-Identifier: MIT

-- The simulator (spec/sim/sim.h): some clusters of `make sim`, and seeds that once failed.

local process = require "support.process"

local build = os.getenv "BUILD" or "build"

local function sim(env, ...)
  return process.run { build .. "/test/sim", timeout = 120, env = env, ... }
end

-- { seed, steps, drop }, as `make sim` has printed them, behind what they showed.
local FAILED = {
  ["a get joined a load that had asked a stand-in before it was told"] = { "490", "6653",
    "0-86,88-203,205-207,209-365,367-1037,1040-1047,1049-1050,1052-99999" },
}

describe("the simulator", function()
  it("breaks no rule in some clusters", function()
    local got = sim({}, "1", "300000")
    assert.equal(0, got.code, got.stdout .. got.stderr)
    assert.matches("sim: fine, 300000 steps", got.stdout, 1, true)
  end)

  it("runs the same way each time, also when it tells its story", function()
    local a, b = sim({}, "42", "50000"), sim({ SIM_VERBOSE = "1" }, "42", "50000")
    assert.equal(a.stdout, b.stdout:match "sim: fine.*")
  end)

  for what, case in pairs(FAILED) do
    it("does not break the rule of an earlier failure: " .. what, function()
      local got = sim({ SIM_KEEP = "1" }, unpack(case))
      assert.equal(0, got.code, got.stdout .. got.stderr)
    end)
  end
end)
