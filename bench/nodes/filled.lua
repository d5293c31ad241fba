-- SPDX-License-Identifier: MIT
-- A group with 1 GB of values of 1 KB, which a background function puts there before the node is
-- ready, and the value that the benchmark asks for.
local groupcache = require "groupcache"

local GB, BYTES, TOGETHER = 1e9, 1000, 1000

local value = ("x"):rep(tonumber(os.getenv "BENCH_BYTES" or 100))
local fill = ("y"):rep(BYTES)

local group = groupcache.group("bench", { cache_bytes = 2 * GB, max_value_bytes = 1e6,
  getter = function(key) return key:find "^fill" and fill or value end })

groupcache.background(function()
  local n = 0
  while n * BYTES < GB do
    local keys = {}
    for i = 1, TOGETHER do
      keys[i] = "fill" .. n + i
    end
    n = n + TOGETHER
    group:get_many(keys)
  end
end, { ready = true, ready_timeout = 300 })
