-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load "base/histogram.h"

local MS = 1000000

describe("a histogram", function()
  local h

  before_each(function()
    h = ffi.new "struct histogram"
  end)

  it("counts a time in the bucket of the first bound that is not below it", function()
    for _, ns in ipairs { 0, 100000, 100001, MS, MS + 1, 10000 * MS, 10000 * MS + 1 } do
      C.histogram_add(h, ns, 1)
    end
    local seen = {}
    for i = 0, C.HISTOGRAM_BUCKETS - 1 do
      seen[ffi.string(C.histogram_bound_text(i))] = tonumber(h.counts[i])
    end
    assert.same({ ["0.0001"] = 2, ["0.0003"] = 1, ["0.001"] = 1, ["0.003"] = 1, ["0.01"] = 0,
      ["0.03"] = 0, ["0.1"] = 0, ["0.3"] = 0, ["1"] = 0, ["3"] = 0, ["10"] = 1, ["+Inf"] = 1 },
      seen)
    assert.equal(7, tonumber(C.histogram_count(h)))
  end)

  it("has bounds that grow, each as its text says", function()
    local last = 0
    for i = 0, C.HISTOGRAM_BOUNDS - 1 do
      local ns = tonumber(C.histogram_bound_ns(i))
      assert.is_true(ns > last)
      assert.near(ns, tonumber(ffi.string(C.histogram_bound_text(i))) * 1e9, 1)
      last = ns
    end
  end)

  it("counts several at once, and their times", function()
    C.histogram_add(h, 2 * MS, 16)
    assert.equal(16, tonumber(C.histogram_count(h)))
    assert.equal(32 * MS, tonumber(h.sum_ns))
  end)

  it("adds what threads share", function()
    local shared = ffi.new "struct histogram"
    C.histogram_add_shared(shared, MS, 3)
    C.histogram_add(h, MS, 1)
    C.histogram_merge(h, shared)
    assert.equal(4, tonumber(C.histogram_count(h)))
    assert.equal(4 * MS, tonumber(h.sum_ns))
  end)
end)
