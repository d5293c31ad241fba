-- SPDX-License-Identifier: MIT
-- Hits beside misses on one node. What hits and misses can do alone, with 64 connections, is found
-- first, in each round; then hits at half their rate, alone and while misses run at half theirs.
-- Both clients are on the client's core, all of the node on the server's. Each request of a paced
-- client has its moment, and one that all connections are too busy for comes late: so how much of
-- the rates that were meant was kept is shown.

local servers = require "bench.lib.servers"
local wrk = require "bench.lib.wrk"

local PER_RUN = 5e7 -- numbers of keys set aside for one run of misses

-- Of a paced client. Both together stay below the 128 events that libmicrohttpd takes at a time:
-- when it has got just so many, it waits for one more before it looks at them.
local CONNECTIONS = 60

local runs = 0

local function hits(s, bench, rate)
  return { url = s.raw, seconds = bench.seconds, script = rate and "paced" or nil,
    connections = rate and CONNECTIONS, args = { rate } }
end

local function misses(s, bench, rate)
  runs = runs + 1
  local new = { "/cache/bench/", runs * PER_RUN }
  return { url = s.url, seconds = bench.seconds, script = rate and "paced" or "new_keys",
    connections = rate and CONNECTIONS, args = rate and { rate, new[1], new[2] } or new }
end

local function round(s, _, bench)
  local hits_full = wrk.run(hits(s, bench)).rate
  local misses_full = wrk.run(misses(s, bench)).rate
  local alone = wrk.run(hits(s, bench, hits_full / 2))
  local beside = wrk.start(misses(s, bench, misses_full / 2))
  local mixed = wrk.run(hits(s, bench, hits_full / 2))
  local missed = beside:wait()
  return { alone = alone.p99, mixed = mixed.p99, rate = mixed.rate / (hits_full / 2),
    missed = missed.rate / (misses_full / 2) }
end

return {
  title = "p99 of hits at half load, misses at half capacity",
  sides = {
    { name = "ours", open = function() return servers.ours { bytes = 100 } end, round = round,
      close = function(s) s:stop() end },
  },
  lines = {
    { figure = "p99 ms, with misses; beside: alone", of = "mixed", ours = "ours", peer = "ours",
      peer_of = "alone", reach = 3, better = "less" },
    { figure = "hits, part of the rate meant", of = "rate", ours = "ours" },
    { figure = "misses, part of the rate meant", of = "missed", ours = "ours" },
  },
}
