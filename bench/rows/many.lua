-- SPDX-License-Identifier: MIT
-- A getter asks for keys that another node owns and has: one after the other, and a hundred at a
-- time with group:get_many. The asking node keeps none of them. Both nodes are on the server's
-- core.

local http = require "support.http"
local owned = require "bench.lib.owned"
local ports = require "support.ports"
local servers = require "bench.lib.servers"

local KEYS = 10000

local function side(name, group)
  return {
    name = name,
    open = function()
      local asking, owning = ports.free(), ports.free()
      local peers = { "http://127.0.0.1:" .. asking, "http://127.0.0.1:" .. owning }
      return {
        owner = servers.ours { bytes = 100, port = owning, peers = peers },
        asker = servers.ours { script = "bench/nodes/asking.lua", port = asking, peers = peers,
          env = { BENCH_KEYS = owned.file(peers, 2, KEYS) } },
      }
    end,
    round = function(x, round, bench)
      local res, err = http.get(x.asker.url .. ("/cache/%s/%g:%d"):format(group, bench.seconds,
        round), { timeout = bench.seconds + 30 })
      if not res or res.status ~= 200 then
        error(res and res.body or err, 0)
      end
      return { rate = tonumber(res.body) }
    end,
    close = function(x)
      x.asker:stop()
      x.owner:stop()
    end,
  }
end

return {
  title = "get_many of 100 keys on another node",
  sides = { side("ours, get_many", "many"), side("ours, single gets", "singles") },
  lines = {
    { figure = "keys/s", of = "rate", ours = "ours, get_many", peer = "ours, single gets",
      reach = 8, better = "more" },
  },
}
