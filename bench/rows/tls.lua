-- SPDX-License-Identifier: MIT
-- Hits over TLS on kept connections, and new connections with a whole handshake each, beside nginx
-- with the same certificate (P-256); without TLS beside them. Then what TLS with certificates on
-- both sides costs two nodes that ask each other: every key is new, and the client asks in plain
-- HTTP, on a face of its own.

local certs = require "support.certs"
local owned = require "bench.lib.owned"
local ports = require "support.ports"
local servers = require "bench.lib.servers"
local wrk = require "bench.lib.wrk"

local MOST = 40000 -- requests a second for which there are keys

local ca, pair

local function tls(client_auth)
  ca = ca or certs.ca "the benchmark"
  pair = pair or ca:issue()
  return { cert = pair.cert, key = pair.key, ca = ca.path, client_auth = client_auth }
end

local function side(name, start, script, with_tls)
  return {
    name = name,
    open = function() return servers[start] { bytes = 100, tls = with_tls and tls "none" } end,
    round = function(s, _, bench)
      return wrk.run { url = s.raw, script = script, seconds = bench.seconds,
        pids = { server = s.pid } }
    end,
    close = function(s) s:stop() end,
  }
end

local function row(title, script, what, reach)
  return {
    title = title,
    sides = {
      side("ours with TLS", "ours", script, true), side("nginx with TLS", "nginx", script, true),
      side("ours plain", "ours", script),
    },
    lines = {
      { figure = what .. "/s", of = "rate", ours = "ours with TLS", peer = "nginx with TLS",
        reach = reach, better = "more" },
      { figure = "CPU us each", of = "cpu_server", ours = "ours with TLS",
        peer = "nginx with TLS" },
      { figure = "CPU us each", of = "cpu_server", ours = "ours with TLS", peer = "ours plain" },
      { figure = "the client's own load", of = "client", ours = "ours with TLS",
        peer = "nginx with TLS" },
    },
  }
end

-- Two nodes; the first is asked for keys of the second.
local function pair_of_nodes(name, scheme, options)
  local asking, owning, clients, peers, keys
  return {
    name = name,
    open = function(bench)
      asking, owning, clients = ports.free(), ports.free(), ports.free()
      peers = { scheme .. "://127.0.0.1:" .. asking, scheme .. "://127.0.0.1:" .. owning }
      keys = owned.file(peers, 2, MOST * (bench.seconds + 1), 1)
      return true
    end,
    round = function(_, _, bench)
      local b = servers.ours { port = owning, peers = peers, tls = options and options() }
      local a = servers.ours { port = asking, peers = peers, tls = options and options(),
        args = { "--client-listen", "127.0.0.1:" .. clients } }
      local ok, figures = pcall(wrk.run, { url = "http://127.0.0.1:" .. clients,
        script = "listed_keys", args = { "/cache/bench/", keys }, seconds = bench.seconds,
        pids = { asking = a.pid, owning = b.pid } })
      a:stop()
      b:stop()
      return ok and figures or error(figures, 0)
    end,
  }
end

return {
  row("hit over TLS, 100 B, 64 connections", "report", "requests", 0.85),
  row("a connection each, 100 B, 64 at once", "close", "handshakes", 0.9),
  {
    title = "forward over mTLS, every key new, 64 connections",
    sides = {
      pair_of_nodes("with mTLS", "https", function()
        local options = tls "peers"
        options.faces = "peers"
        return options
      end),
      pair_of_nodes("plain", "http"),
    },
    lines = {
      { figure = "requests/s", of = "rate", ours = "with mTLS", peer = "plain" },
      { figure = "CPU us/request, asking node", of = "cpu_asking", ours = "with mTLS",
        peer = "plain", reach = 1.6, better = "less" },
      { figure = "CPU us/request, owner", of = "cpu_owning", ours = "with mTLS", peer = "plain",
        reach = 1.6, better = "less" },
    },
  },
}
