-- SPDX-License-Identifier: MIT
-- As listed_keys.lua, by clients that wait for 10 ms between an answer and their next request. So
-- the clients do not use up the nodes' core, and latencies are those of the nodes.

dofile "bench/wrk/listed_keys.lua"

local THINK_MS = 10

function delay()
  return THINK_MS
end
