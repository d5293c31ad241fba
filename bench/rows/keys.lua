-- SPDX-License-Identifier: MIT
-- Hits over HTTP with 64 kept connections, of one key and of many that are drawn evenly. One key
-- has its answer kept, 20,000 have not, and 1,000,000 are in no cache of the processor either.
-- All keys are there before the first round. wrk makes each request anew, also those of one key, so
-- the client's cost is the same.

local servers = require "bench.lib.servers"
local wrk = require "bench.lib.wrk"

local COUNTS = { 1, 20000, 1000000 }
local REACH = 1.15 -- of the CPU time of a hit of one key

local function side(who, start, keys)
  return {
    name = ("%s, %d"):format(who, keys),
    open = function()
      return servers[start] { bytes = 100, keys = keys, env = { BENCH_FILL = keys }, ready = 120 }
    end,
    round = function(s, _, bench)
      return wrk.run { url = s.url, script = "drawn_keys", args = { "/cache/bench/", keys },
        seconds = bench.seconds, pids = { server = s.pid } }
    end,
    close = function(s) s:stop() end,
  }
end

local row = { title = "HTTP hit, 100 B, of many keys", sides = {}, lines = {} }
for _, keys in ipairs(COUNTS) do
  local ours, go = side("ours", "ours", keys), side("Go", "go", keys)
  row.sides[#row.sides + 1], row.sides[#row.sides + 2] = ours, go
  local what = keys == 1 and "1 key" or ("%d keys"):format(keys)
  row.lines[#row.lines + 1] = { figure = what .. ", requests/s", of = "rate", ours = ours.name,
    peer = go.name }
  row.lines[#row.lines + 1] = { figure = what .. ", CPU us/request", of = "cpu_server",
    ours = ours.name, peer = go.name }
  if keys > 1 then
    row.lines[#row.lines + 1] = { figure = what .. ", CPU us/request", of = "cpu_server",
      ours = ours.name, peer = row.sides[1].name, reach = REACH, better = "less" }
  end
end
return row
