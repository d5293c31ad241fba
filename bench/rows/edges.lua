-- SPDX-License-Identifier: MIT
-- What a node costs at its edges: 10,000 groups that nobody asks, also beside a node that has
-- stopped; a removal over 200 nodes; 4,000 connections; /metrics of 1,000 groups. The 200 nodes are
-- one process with an address each, which confirms all, so only the sender's work is ours. That
-- sender, its nodes and its client share all cores.

local http = require "support.http"
local pin = require "bench.lib.pin"
local ports = require "support.ports"
local process = require "support.process"
local program = require "bench.lib.program"
local resource = require "posix.sys.resource"
local servers = require "bench.lib.servers"
local socket = require "socket"
local usage = require "bench.lib.usage"
local wrk = require "bench.lib.wrk"

local GROUPS, NODES, CONNECTIONS, METRICS_GROUPS, BYTES = 10000, 200, 4000, 1000, 100
local TIMES = 10

-- The part of a core that a node needs while nobody asks it.
local function share(s, _, bench)
  local before, began = usage.cpu(s.pid), socket.gettime()
  socket.sleep(bench.seconds)
  return { share = (usage.cpu(s.pid) - before) / (socket.gettime() - began) }
end

local function with_groups(n, peers, port, both_cores)
  return servers.ours { script = "bench/nodes/groups.lua", env = { BENCH_GROUPS = n }, ready = 120,
    peers = peers, port = port, both_cores = both_cores }
end

local function stop(s)
  s:stop()
end

local function open_beside_dead()
  local port, dead = ports.free(), ports.free()
  local s = with_groups(GROUPS,
    { "http://127.0.0.1:" .. port, "http://127.0.0.1:" .. dead }, port)
  wrk.run { url = s.url, seconds = 10, script = "changes", args = { GROUPS }, may_fail = true }
  return s
end

local idle = {
  title = "10 000 groups, idle",
  sides = {
    { name = "ours", open = function() return with_groups(GROUPS) end, round = share,
      close = stop },
    { name = "ours, a node has stopped", open = open_beside_dead, round = share, close = stop },
  },
  lines = {
    { figure = "part of a core", of = "share", ours = "ours", reach = 0.01, better = "less" },
    { figure = "part of a core", of = "share", ours = "ours, a node has stopped", reach = 0.02,
      better = "less" },
  },
}

local function open_cluster()
  local port, theirs = ports.free(), ports.free()
  local others = process.spawn(pin.on_both { program.built "mhd", theirs, 0, "nodes" })
  local peers = { "http://127.0.0.1:" .. port }
  for i = 2, NODES do
    peers[i] = ("http://127.0.0.%d:%d"):format(i, theirs)
  end
  local s = with_groups(1, peers, port, true)
  wrk.run { url = s.url, seconds = 2, connections = 1, script = "changes" }
  return { node = s, others = others }
end

local removal = {
  title = "a removal over 200 nodes",
  sides = { {
    name = "ours",
    open = open_cluster,
    round = function(x, _, bench)
      local f = wrk.run { url = x.node.url, seconds = bench.seconds, connections = 1,
        script = "changes", pids = { server = x.node.pid } }
      return { p50 = f.p50, cpu = f.cpu_server / (NODES - 1) }
    end,
    close = function(x)
      x.node:stop()
      x.others:kill "SIGKILL"
      x.others:wait(10)
    end,
  } },
  lines = {
    { figure = "ms, the half", of = "p50", ours = "ours", reach = 20, better = "less" },
    { figure = "CPU us a node", of = "cpu", ours = "ours", reach = 60, better = "less" },
  },
}

-- So many descriptors are for us, and for the client that we start.
local function need_descriptors(n)
  local limit = resource.getrlimit(resource.RLIMIT_NOFILE)
  if limit.rlim_cur < n then
    limit.rlim_cur = n
    if not resource.setrlimit(resource.RLIMIT_NOFILE, limit) then
      error(("needs ulimit -Hn %d"):format(n), 0)
    end
  end
end

-- What a connection costs that has asked once and stays open.
local function memory(s)
  local before, list = usage.rss(s.pid), {}
  local request = ("GET %s HTTP/1.1\r\nHost: a\r\n\r\n"):format(s.raw:match "//[^/]+(.*)")
  for i = 1, CONNECTIONS do
    list[i] = assert(socket.connect("127.0.0.1", s.port))
    list[i]:settimeout(10)
    list[i]:send(request)
    assert(list[i]:receive "*l")
  end
  local bytes = (usage.rss(s.pid) - before) / CONNECTIONS
  for _, c in ipairs(list) do
    c:close()
  end
  return bytes
end

local function many_connections(name)
  return {
    name = name,
    open = function()
      need_descriptors(CONNECTIONS + 200)
      local s = servers[name == "ours /cache/" and "ours" or "nginx"] { bytes = BYTES,
        connections = CONNECTIONS + 100 }
      s.each = memory(s)
      return s
    end,
    round = function(s, _, bench)
      local f = wrk.run { url = s.raw, seconds = bench.seconds, connections = CONNECTIONS }
      return { each = s.each / 1000, p99 = f.p99, rate = f.rate }
    end,
    close = stop,
  }
end

local connections = {
  title = "4 000 connections",
  sides = { many_connections "ours /cache/", many_connections "nginx" },
  lines = {
    { figure = "KB a connection", of = "each", ours = "ours /cache/", reach = 20, better = "less" },
    { figure = "hits, p99 ms", of = "p99", ours = "ours /cache/", peer = "nginx", reach = 1.2,
      better = "less" },
  },
}

local metrics = {
  title = "/metrics of 1 000 groups",
  sides = { {
    name = "ours",
    open = function() return with_groups(METRICS_GROUPS) end,
    round = function(s)
      local began, before = socket.gettime(), usage.cpu(s.pid)
      for _ = 1, TIMES do
        local res = assert(http.get(s.url .. "/metrics", { timeout = 60 }))
        assert(res.status == 200, res.status)
      end
      return { ms = (socket.gettime() - began) * 1000 / TIMES,
        cpu = (usage.cpu(s.pid) - before) * 1000 / TIMES }
    end,
    close = stop,
  } },
  lines = {
    { figure = "CPU ms", of = "cpu", ours = "ours", reach = 50, better = "less" },
    { figure = "ms, with reading it", of = "ms", ours = "ours" },
  },
}

return { idle, removal, connections, metrics }
