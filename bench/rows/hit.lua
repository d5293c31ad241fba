-- SPDX-License-Identifier: MIT
-- Hits over HTTP with 64 kept connections: as peers ask (/_groupcache/, a protobuf message) and as
-- clients do (/cache/, the bytes). Go's groupcache has no path for clients of its own; its program
-- here serves /cache/ as a Go user would write it, and is compared path by path. One key is asked,
-- as of nginx and libmicrohttpd, so answers of 100 B are kept ones: for us that is the best case.

local servers = require "bench.lib.servers"
local wrk = require "bench.lib.wrk"

local function side(name, start, path, bytes)
  return {
    name = name,
    open = function() return servers[start] { bytes = bytes } end,
    round = function(s, _, bench)
      return wrk.run { url = s[path], seconds = bench.seconds, pids = { server = s.pid } }
    end,
    close = function(s) s:stop() end,
  }
end

-- Rate with its reach, CPU without one, for each of the peers.
local function lines_against(lines, ours, peers, what)
  for _, p in ipairs(peers) do
    lines[#lines + 1] = { figure = what .. ", requests/s", of = "rate", ours = ours, peer = p[1],
      reach = p[2], better = "more" }
    lines[#lines + 1] = { figure = what .. ", CPU us/request", of = "cpu_server", ours = ours,
      peer = p[1] }
  end
  lines[#lines + 1] = { figure = what .. ", the client's own load", of = "client", ours = ours,
    peer = peers[1][1] }
end

local small = { title = "HTTP hit, 100 B, 64 connections", sides = {}, lines = {} }

small.sides = {
  side("ours /_groupcache/", "ours", "peer", 100),
  side("libmicrohttpd", "mhd", "raw", 100),
  side("ours /cache/", "ours", "raw", 100),
  side("nginx", "nginx", "raw", 100),
  side("Go /_groupcache/", "go", "peer", 100),
  side("Go /cache/", "go", "raw", 100),
}
for _, path in ipairs { "/_groupcache/", "/cache/" } do
  lines_against(small.lines, "ours " .. path,
    { { "libmicrohttpd", 0.95 }, { "nginx", 0.95 }, { "Go " .. path, 1.8 } }, path)
end

local rows = { small }
for _, size in ipairs { { "10 KB", 10000 }, { "1 MB", 1000000 } } do
  local row = { title = ("HTTP hit, %s, 64 connections"):format(size[1]), lines = {}, sides = {
    side("ours /cache/", "ours", "raw", size[2]),
    side("nginx", "nginx", "raw", size[2]),
  } }
  lines_against(row.lines, "ours /cache/", { { "nginx", 0.9 } }, "/cache/")
  rows[#rows + 1] = row
end

return rows
