-- SPDX-License-Identifier: MIT
-- Hits by two threads at once on one group, without HTTP.
--
-- A Lua program has its node's groups in one VM, so where two threads of ours meet one group is a
-- node: two workers, each with a getter that asks another group for keys that are there, over and
-- over. That is group:get as getters have it, in code that is not compiled, and that is what is
-- held against Go. "the engine" is the same without Lua: two C threads in reader_recall(), the call
-- under group:get. It shows what two threads cost each other, and has no reach of its own.

local http = require "support.http"
local node = require "support.node"
local pin = require "bench.lib.pin"
local program = require "bench.lib.program"
local stdlib = require "posix.stdlib"
local tmp = require "support.tmp"

local THREADS, KEYS = 2, 512

local function need_two_cores()
  if pin.shared then
    error("needs two cores", 0)
  end
end

local function open_node()
  need_two_cores()
  local keys = {}
  for i = 1, KEYS do
    keys[i] = ("k%011d\n"):format(i)
  end
  local before = os.getenv "GROUPCACHED_WRAP"
  stdlib.setenv("GROUPCACHED_WRAP", table.concat(pin.on_both {}, " "))
  local ok, n = pcall(node.start, { script = "bench/nodes/asking.lua",
    env = { BENCH_KEYS = tmp.file(table.concat(keys)) },
    args = { "--workers", THREADS, "--http-threads", 1, "--log-level", "warn" } })
  stdlib.setenv("GROUPCACHED_WRAP", before)
  return ok and n or error(n, 0)
end

-- Two questions at once: each goes to the worker that has less to do.
local function ask_node(n, round, bench)
  local sum, questions = 0, {}
  for i = 1, THREADS do
    questions[i] = { url = n.url .. ("/cache/hits/%g:%d%d"):format(bench.seconds, round, i),
      timeout = bench.seconds + 30 }
  end
  http.parallel(questions, THREADS, function(res, err)
    if not res or res.status ~= 200 then
      error(res and res.body or err, 0)
    end
    sum = sum + tonumber(res.body)
  end)
  return { ns = sum / THREADS }
end

return {
  title = "in-process hit, 2 threads at once on one group",
  sides = {
    { name = "ours, in getters", open = open_node, round = ask_node,
      close = function(n) n:stop() end },
    { name = "Go, GOMAXPROCS=2", round = function(_, _, bench)
      need_two_cores()
      return program.run(pin.on_both { program.built "gopeer", "hit", "-seconds", bench.seconds,
        "-threads", THREADS })
    end },
    { name = "ours, the engine", round = function(_, _, bench)
      need_two_cores()
      return program.run(pin.on_both { program.built "engine", "recall", THREADS, bench.seconds })
    end },
  },
  lines = {
    { figure = "ns/hit and thread, in getters", of = "ns", ours = "ours, in getters",
      peer = "Go, GOMAXPROCS=2", reach = 0.5, better = "less" },
    { figure = "ns/hit and thread, the engine", of = "ns", ours = "ours, the engine",
      peer = "Go, GOMAXPROCS=2" },
  },
}
