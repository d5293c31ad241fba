-- SPDX-License-Identifier: MIT
-- Every request for a key that was never asked for, 64 connections, one node: the getter returns a
-- constant of 100 bytes, in Lua and in Go.

local servers = require "bench.lib.servers"
local wrk = require "bench.lib.wrk"

local PER_ROUND = 1e8 -- numbers of keys set aside for a round

local function side(name, start)
  return {
    name = name,
    open = function() return servers[start] { bytes = 100 } end,
    round = function(s, round, bench)
      return wrk.run { url = s.url, script = "new_keys", seconds = bench.seconds,
        args = { "/cache/bench/", round * PER_ROUND }, pids = { server = s.pid } }
    end,
    close = function(s) s:stop() end,
  }
end

return {
  title = "miss, trivial getter",
  sides = { side("ours", "ours"), side("Go", "go") },
  lines = {
    { figure = "requests/s", of = "rate", ours = "ours", peer = "Go", reach = 1.2,
      better = "more" },
    { figure = "CPU us/request", of = "cpu_server", ours = "ours", peer = "Go" },
    { figure = "the client's own load", of = "client", ours = "ours", peer = "Go" },
  },
}
