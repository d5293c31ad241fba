-- SPDX-License-Identifier: MIT
-- Every key has the same value, of BENCH_BYTES bytes: the most trivial getter there is.
local groupcache = require "groupcache"

local value = ("x"):rep(tonumber(os.getenv "BENCH_BYTES" or 100))

groupcache.group("bench", { getter = function() return value end })
