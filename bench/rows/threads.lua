-- SPDX-License-Identifier: MIT
-- Hits by two threads at once on one group, without HTTP. Keys are drawn as in the row inside.
--
-- A Lua program has its node's groups in one VM, so where two threads of ours meet one group is a
-- node: two workers, each with a getter that asks another group for keys that are there, over and
-- over. That is group:get as getters have it, in code that is not compiled, and that is what is
-- held against Go. "the engine" is the same without Lua: two C threads in reader_recall(), the call
-- under group:get. It shows what two threads cost each other, and has no reach of its own.

local asks = require "bench.inside.asks"
local ffi = require "ffi"
local http = require "support.http"
local node = require "support.node"
local pin = require "bench.lib.pin"
local program = require "bench.lib.program"
local stdlib = require "posix.stdlib"
local tmp = require "support.tmp"

local THREADS, FEW = 2, 512
local REACH = { uniform = { [512] = 0.35, [10000] = 0.6, [100000] = 0.7, [1000000] = 0.8 },
  zipf = { [512] = 0.4, [10000] = 0.4, [100000] = 0.4, [1000000] = 0.4 } }

local function need_two_cores()
  if pin.shared then
    error("needs two cores", 0)
  end
end

local function open_node(count, law)
  need_two_cores()
  local order = asks.order(count, law)
  local before = os.getenv "GROUPCACHED_WRAP"
  stdlib.setenv("GROUPCACHED_WRAP", table.concat(pin.on_both {}, " "))
  local ok, n = pcall(node.start, { script = "bench/nodes/hits.lua", timeout = 300,
    env = { BENCH_KEYS = tmp.file(table.concat(asks.keys(count), "\n") .. "\n"),
      BENCH_ORDER = tmp.file(ffi.string(order, asks.MANY * ffi.sizeof "uint32_t")) },
    args = { "--workers", THREADS, "--http-threads", 1, "--vm-bytes", "2GiB", "--log-level",
      "warn" } })
  stdlib.setenv("GROUPCACHED_WRAP", before)
  return ok and n or error(n, 0)
end

-- Two questions at once: each goes to the worker that has less to do.
local function ask_node(n, round, bench)
  local ns, cpu, questions = 0, 0, {}
  for i = 1, THREADS do
    questions[i] = { timeout = bench.seconds + 600,
      url = n.url .. ("/cache/hits/%g:%g:%d"):format(bench.seconds, (i - 1) / THREADS, round) }
  end
  http.parallel(questions, THREADS, function(res, err)
    if not res or res.status ~= 200 then
      error(res and res.body or err, 0)
    end
    local one, all = res.body:match "^(%S+) (%S+)$"
    ns, cpu = ns + tonumber(one), cpu + tonumber(all) / THREADS -- each saw the time of both
  end)
  return { ns = ns / THREADS, cpu = cpu / THREADS }
end

local function row(law, count)
  local sides = {
    { name = "ours, in getters", open = function() return open_node(count, law) end,
      round = ask_node, close = function(n) n:stop() end },
    { name = "Go, GOMAXPROCS=2", round = function(_, _, bench)
      need_two_cores()
      return program.run(pin.on_both { program.built "gopeer", "hit", "-seconds", bench.seconds,
        "-threads", THREADS, "-keys", count, "-law", law })
    end },
  }
  local lines = {
    { figure = "ns/hit and thread, in getters", of = "ns", ours = "ours, in getters",
      peer = "Go, GOMAXPROCS=2", reach = REACH[law][count], better = "less" },
    { figure = "CPU ns/hit, in getters", of = "cpu", ours = "ours, in getters",
      peer = "Go, GOMAXPROCS=2" },
  }
  if count == FEW and law == "uniform" then
    sides[3] = { name = "ours, the engine", round = function(_, _, bench)
      need_two_cores()
      return program.run(pin.on_both { program.built "engine", "recall", THREADS, bench.seconds })
    end }
    lines[3] = { figure = "ns/hit and thread, the engine", of = "ns", ours = "ours, the engine",
      peer = "Go, GOMAXPROCS=2" }
  end
  return { title = ("in-process hit, 2 threads at once, %d keys, %s"):format(count, law),
    sides = sides, lines = lines }
end

local rows = {}
for _, law in ipairs { "uniform", "zipf" } do
  for _, count in ipairs { FEW, 10000, 100000, 1000000 } do
    rows[#rows + 1] = row(law, count)
  end
end
return rows
