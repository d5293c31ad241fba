-- SPDX-License-Identifier: MIT
-- Every key has the same value, of BENCH_BYTES bytes: the most trivial getter there is. The first
-- BENCH_FILL keys are there before the node is ready.
local groupcache = require "groupcache"

local TOGETHER = 1000

local value = ("x"):rep(tonumber(os.getenv "BENCH_BYTES" or 100))
local fill = tonumber(os.getenv "BENCH_FILL" or 0)

local group = groupcache.group("bench", { cache_bytes = fill > 0 and "1GB" or nil,
  getter = function() return value end })

if fill > 0 then
  groupcache.background(function()
    for first = 0, fill - 1, TOGETHER do
      local keys = {}
      for i = first, math.min(first + TOGETHER, fill) - 1 do
        keys[#keys + 1] = ("k%011d"):format(i)
      end
      group:get_many(keys)
    end
  end, { ready = true, ready_timeout = 300 })
end
