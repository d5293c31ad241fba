-- SPDX-License-Identifier: MIT

-- What groups cost the process: bench/memory/memory.c measures it, in a process of its own.

local process = require "support.process"

local MEMORY = (os.getenv "BUILD" or "build") .. "/bench/memory"

-- Runs it with these arguments. -> the numbers it printed
local function measure(...)
  local argv = { MEMORY, ... }
  argv.timeout = 120
  argv.env = { MALLOC_ARENA_MAX = false, GLIBC_TUNABLES = false }
  local r = process.run(argv)
  assert.equal(0, r.code, r.stderr)
  local numbers = {}
  for name, value in r.stdout:gmatch "(%S+)=(%S+)" do
    numbers[name] = tonumber(value) or value
  end
  return numbers
end

-- A sanitizer's memory would be measured with ours.
local it = os.getenv "SAN" and pending or it

describe("the memory of groups", function()
  it("is at most 96 bytes an item beyond key and value", function()
    local m = measure("fill", "items=1000000", "key=12", "value=100")
    assert.equal(1000000, m.items)
    assert.is_true(m.rss_each <= 96, m.rss_each .. " bytes of the process")
    assert.is_true(m.counted_each <= 96, m.counted_each .. " bytes as counted")
    assert.is_true(math.abs(m.rss_each - m.counted_each) < 4, "counted is not what it takes")
  end)

  -- Loads ten times the cache on two threads.
  local function churn(mix, cache_mb, groups)
    local m = measure("churn", "mix=" .. mix, "cache_mb=" .. cache_mb, "groups=" .. groups)
    local all = cache_mb * groups * 1e6
    local bound = 1.15 * all + 24e6
    assert.is_true(m.counted <= all)
    assert.is_true(m.counted > 0.98 * all, "the cache is not full")
    assert.is_true(m.rss_after <= bound, m.rss_after .. " bytes after it")
    assert.is_true(m.rss_max <= bound, m.rss_max .. " bytes meanwhile")
  end

  it("stays within its bound while values of 16 bytes come and go", function()
    churn("small", 16, 1)
  end)

  it("stays within it while values of 1 KB do", function()
    churn("medium", 64, 1)
  end)

  it("stays within it while values of all sizes do", function()
    churn("mixed", 64, 1)
  end)

  it("stays within it while they do in several groups at once", function()
    churn("mixed", 32, 4)
    churn("small", 4, 4)
  end)
end)
