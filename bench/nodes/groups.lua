-- SPDX-License-Identifier: MIT
-- BENCH_GROUPS groups, each with the most trivial getter.
local groupcache = require "groupcache"

local function getter()
  return "v"
end

for i = 1, tonumber(os.getenv "BENCH_GROUPS" or 10000) do
  groupcache.group(("g%05d"):format(i), { writable = true, cache_bytes = 100000, getter = getter })
end
