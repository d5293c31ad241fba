-- SPDX-License-Identifier: MIT
-- Three nodes and 3,000 keys whose values all expire every 3 s, 64 clients in closed loops. The
-- source takes 50 ms, then 2 s, then it fails, then it is back. "loads" are calls of the getter
-- over the least that would do: one a key each 3 s. With stale values at hand, and without.
-- BREAKER=0 has nodes without a breaker, BREAKER=20 another one.

local lfs = require "lfs"
local ports = require "support.ports"
local servers = require "bench.lib.servers"
local socket = require "socket"
local tmp = require "support.tmp"
local wrk = require "bench.lib.wrk"

local BREAKER = os.getenv "BREAKER" or "5"
local KEYS, TTL, CLIENTS = 3000, 3, { 22, 21, 21 }

local function set_mode(s, mode)
  tmp.write(s.mode .. ".new", mode .. "\n")
  os.rename(s.mode .. ".new", s.mode)
end

-- Each client walks over all keys, from a place of its own.
local function key_files(dir)
  local files = {}
  for i = 1, #CLIENTS do
    local lines = {}
    for k = 1, KEYS do
      lines[k] = ("k%d"):format((k + i * KEYS / #CLIENTS) % KEYS)
    end
    files[i] = dir .. "/keys" .. i
    tmp.write(files[i], table.concat(lines, "\n") .. "\n")
  end
  return files
end

-- Figures of all clients together while the source is in that mode.
local function phase(s, group, mode, seconds)
  local calls, list = lfs.attributes(s.calls, "size"), {}
  set_mode(s, mode)
  for i, connections in ipairs(CLIENTS) do
    list[i] = wrk.start { url = s.nodes[i].url, script = "unhurried", connections = connections,
      args = { "/cache/" .. group .. "/", s.keys[i] }, seconds = seconds, may_fail = true,
      again = true }
  end
  local sum = { rate = 0, p99 = 0, max = 0, failed = 0 }
  for _, w in ipairs(list) do
    local f = w:wait()
    sum.rate, sum.failed = sum.rate + f.rate, sum.failed + f.failed
    sum.p99, sum.max = math.max(sum.p99, f.p99), math.max(sum.max, f.max)
  end
  sum.loads = (lfs.attributes(s.calls, "size") - calls) / (KEYS * seconds / TTL)
  return sum
end

local function open()
  local dir, urls = tmp.dir(), {}
  local s = { mode = dir .. "/mode", calls = dir .. "/calls", keys = key_files(dir), nodes = {} }
  set_mode(s, "0.05")
  for i = 1, #CLIENTS do
    urls[i] = "http://127.0.0.1:" .. ports.free()
  end
  for i, url in ipairs(urls) do
    s.nodes[i] = servers.ours { script = "bench/nodes/storm.lua", peers = urls,
      port = tonumber(url:match "%d+$"),
      env = { BENCH_MODE = s.mode, BENCH_CALLS = s.calls, BENCH_BREAKER = BREAKER } }
  end
  return s
end

local PHASES = { { "up", "0.05" }, { "slow", "2" }, { "fails", "fail" }, { "back", "0.05" } }

local function round(group)
  return function(s, _, bench)
    local seconds, out = math.ceil(bench.seconds / TTL) * TTL, {}
    phase(s, group, "0.05", TTL) -- every value is there
    for _, p in ipairs(PHASES) do
      if p[1] == "back" or p[1] == "fails" then
        phase(s, group, p[2], 1) -- the breaker has a second to open, and one to close
      end
      for name, figure in pairs(phase(s, group, p[2], seconds)) do
        out[p[1] .. "_" .. name] = figure
      end
    end
    out.again = out.back_rate / out.up_rate
    socket.sleep(TTL)
    return out
  end
end

local function close(s)
  for _, n in ipairs(s.nodes) do
    n:stop()
  end
end

local function lines(side, stale)
  local list = {}
  local function add(figure, of, reach, better)
    list[#list + 1] = { figure = side .. ": " .. figure, of = of, ours = side, reach = reach,
      better = better or "less" }
  end
  for _, p in ipairs(PHASES) do
    add("loads over the least, " .. p[1], p[1] .. "_loads", 1.05)
    add("p99 ms, " .. p[1], p[1] .. "_p99", (stale or p[1] == "fails") and 10 or nil)
  end
  add("failed, back for 1 s", "back_failed", 0)
  add("rate, back for 1 s over up", "again", 0.8, "more")
  return list
end

local all = lines("stale", true)
for _, line in ipairs(lines("none", false)) do
  all[#all + 1] = line
end

return {
  title = "a source that is slow, fails and is back",
  sides = {
    { name = "stale", open = open, round = round "with", close = close },
    { name = "none", open = open, round = round "without", close = close },
  },
  lines = all,
}
