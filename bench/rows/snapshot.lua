-- SPDX-License-Identifier: MIT
-- Hits of a node that writes a snapshot of 1 GB, again and again, beside those of the same node
-- without a snapshot. The client asks at a third of the rate that a node can do without one. The
-- node has one core, so its writer and its HTTP thread share it.

local servers = require "bench.lib.servers"
local tmp = require "support.tmp"
local wrk = require "bench.lib.wrk"

local CONNECTIONS = 60 -- fewer than the 128 events that libmicrohttpd takes at a time
local rate

local function open(args)
  return servers.ours { script = "bench/nodes/filled.lua", bytes = 100, ready = 300, args = args }
end

local function round(s, _, bench)
  rate = rate or wrk.run { url = s.raw, seconds = bench.seconds }.rate / 3
  local f = wrk.run { url = s.raw, seconds = bench.seconds, script = "paced",
    connections = CONNECTIONS, args = { rate } }
  return { p99 = f.p99, p50 = f.p50, rate = f.rate / rate }
end

local function close(s)
  s:stop()
end

return {
  title = "hits while a snapshot of 1 GB is written",
  sides = {
    { name = "without", open = function() return open() end, round = round, close = close },
    { name = "ours", open = function()
      return open { "--snapshot-path", tmp.dir() .. "/snapshot", "--snapshot-every", "0.001",
        "--log-level", "info" }
    end, round = round, close = close },
  },
  lines = {
    { figure = "p99 ms, while it is written; beside: without", of = "p99", ours = "ours",
      peer = "without", reach = 1.5, better = "less" },
    { figure = "hits, part of the rate meant", of = "rate", ours = "ours" },
  },
}
