-- SPDX-License-Identifier: MIT
-- Two nodes of a kind; every request is for a new key that the other node owns, 64 connections.
-- Both nodes share the server's core, so the rate shows the cost of the whole way. The CPU of the
-- asking node is counted by itself. Nodes are new in each round: caches are empty, keys may come
-- again.

local owned = require "bench.lib.owned"
local ports = require "support.ports"
local servers = require "bench.lib.servers"
local wrk = require "bench.lib.wrk"

local MOST = 100000 -- requests a second for which there are keys

local asking, owning, peers, keys

local function side(name, start, tuned)
  return {
    name = name,
    open = function(bench)
      if not keys then
        asking, owning = ports.free(), ports.free()
        peers = { "http://127.0.0.1:" .. asking, "http://127.0.0.1:" .. owning }
        keys = owned.file(peers, 2, MOST * (bench.seconds + 1), 1)
      end
      return true
    end,
    round = function(_, _, bench)
      local b = servers[start] { bytes = 100, port = owning, peers = peers,
        tuned = tuned }
      local a = servers[start] { bytes = 100, port = asking, peers = peers, tuned = tuned }
      local ok, figures = pcall(wrk.run, { url = a.url, script = "listed_keys",
        args = { "/cache/bench/", keys }, seconds = bench.seconds,
        pids = { asking = a.pid, owning = b.pid } })
      a:stop()
      b:stop()
      return ok and figures or error(figures, 0)
    end,
  }
end

local lines = {}
for _, p in ipairs { { "Go default", 4 }, { "Go tuned", 1.8, 0.6 } } do
  lines[#lines + 1] = { figure = "requests/s", of = "rate", ours = "ours", peer = p[1],
    reach = p[2], better = "more" }
  lines[#lines + 1] = { figure = "CPU us/request, asking node", of = "cpu_asking", ours = "ours",
    peer = p[1], reach = p[3], better = "less" }
  lines[#lines + 1] = { figure = "CPU us/request, owner", of = "cpu_owning", ours = "ours",
    peer = p[1] }
end
lines[#lines + 1] = { figure = "the client's own load", of = "client", ours = "ours",
  peer = "Go tuned" }

return {
  title = "forward, every key new, 64 connections",
  sides = { side("ours", "ours"), side("Go default", "go"), side("Go tuned", "go", true) },
  lines = lines,
}
