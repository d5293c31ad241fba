-- SPDX-License-Identifier: MIT

-- The simulator (spec/sim/sim.h): some clusters of `make sim`. Seeds that once failed are in
-- spec/regress/.

local faults = require "plant.faults"
local process = require "support.process"
local tmp = require "support.tmp"

local build = os.getenv "BUILD" or "build"

local function sim(env, ...)
  return process.run { build .. "/test/sim", timeout = 120, env = env, ... }
end

describe("the simulator", function()
  it("breaks no rule in some clusters", function()
    local got = sim({}, "1", "300000")
    assert.equal(0, got.code, got.stdout .. got.stderr)
    assert.matches("sim: fine, 300000 steps", got.stdout, 1, true)
  end)

  -- make plant: whether they are found.
  it("can be given each of the faults that it must find", function()
    for _, fault in ipairs(faults) do
      local _, times = tmp.read(fault.file):gsub(fault.from:gsub("%p", "%%%0"), "")
      assert.equal(1, times, fault.name .. ": its text in " .. fault.file)
    end
  end)

  it("runs the same way each time, also when it tells its story", function()
    local a, b = sim({}, "42", "50000"), sim({ SIM_VERBOSE = "1" }, "42", "50000")
    assert.equal(a.stdout, b.stdout:match "sim: fine.*")
  end)
end)
