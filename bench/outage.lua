-- SPDX-License-Identifier: MIT

--- What a node in trouble costs the clients of the others: `make outage`.
--
--   luajit bench/outage.lua [KIND ...]      from the root of the tree; all kinds of node/outage.lua
--
-- Three nodes share the keys of one group, whose values are there after the first get. Clients in
-- closed loops ask the first two, each for any key: before, in the first second of the trouble,
-- while it goes on, and once the third node is well again. A line has the requests a second, those
-- that failed (no answer, or a status other than 200), and the 99th percentile of the latency. wrk
-- weighs it by time: a client that waits counts for all requests that it could have sent meanwhile.
-- Then the ejections of the third node, and the loads that were sent elsewhere for its silence, as
-- both nodes count them: these do not depend on what else the machine does.
--
-- Environment: CLIENTS ["12 300"], SECONDS [4] of a phase, KEYS [3000], BUILD; GO=1: the third is a
-- Go node, whose getter's calls are not counted.

package.path = "./spec/?.lua;./?.lua;" .. package.path

local lfs = require "lfs"
local outage = require "node.outage"
local process = require "support.process"
local program = require "bench.lib.program"
local socket = require "socket"
local tmp = require "support.tmp"

local SECONDS = tonumber(os.getenv "SECONDS" or "") or 4
local KEYS = tonumber(os.getenv "KEYS" or "") or 3000
local CLIENTS = os.getenv "CLIENTS" or "12 300"
if not CLIENTS:find "%d" then
  CLIENTS = "12 300"
end

-- Each call of a getter is a byte in the key's file: appended by one write, over all nodes.
local SCRIPT = [[
local groupcache = require "groupcache"
groupcache.group("g", { hot = "never", timeout = 5, getter = function(key)
  local f = assert(io.open("%s/" .. key, "a"))
  f:write "."
  f:close()
  return ("x"):rep(100)
end })
return { workers = 1, http_threads = 1 }
]]

-- How often getters ran for a key since the last time, at most, and in all.
local function calls(dir, seen)
  local most, all = 0, 0
  for name in lfs.dir(dir) do
    local n = lfs.attributes(dir .. "/" .. name, "size")
    if name:sub(1, 1) == "k" then
      local new = n - (seen[name] or 0)
      most, all, seen[name] = math.max(most, new), all + new, n
    end
  end
  return most, all
end

local function start_clients(c, i, clients, seconds, keys)
  local out = tmp.dir() .. "/out"
  return { out = out, process = process.spawn { "wrk", "-t1", "-c" .. clients, "-d" .. seconds
    .. "s", "--timeout", "10s", "-s", "bench/wrk/listed_keys.lua", c.urls[i], "--", "/cache/g/",
    keys[i], stdout = out, stderr = out } }
end

-- Figures of all clients together; each of the two files of keys begins elsewhere.
local function phase(c, clients, seconds, keys)
  local list, sum = {}, { requests = 0, errors = 0, p99 = 0, us = 0 }
  for i = 1, 2 do
    list[i] = start_clients(c, i, math.floor(clients / 2), seconds, keys)
  end
  local deadline = socket.gettime() + seconds + 30
  for _, w in ipairs(list) do
    while w.process:alive() and socket.gettime() < deadline do
      socket.sleep(0.02)
      c:turn()
    end
    local f = program.parse(tmp.read(w.out))
    sum.requests, sum.errors = sum.requests + f.requests, sum.errors + f.errors
    sum.p99, sum.us = math.max(sum.p99, f.p99 / 1000), math.max(sum.us, f.us)
  end
  sum.rate = sum.requests / sum.us * 1e6
  return sum
end

local function key_files(dir)
  local files = {}
  for i = 1, 2 do
    local lines = {}
    for k = 1, KEYS do
      lines[k] = ("k%d"):format((k + i * KEYS / 3) % KEYS)
    end
    files[i] = dir .. "/list" .. i
    tmp.write(files[i], table.concat(lines, "\n") .. "\n")
  end
  return files
end

-- What the first two nodes have counted of the third since the last time.
local function counted(c, before)
  local sum = { ejections = 0, hedges = 0 }
  for name in pairs(sum) do
    local all = c:seen_by(1)[name] + c:seen_by(2)[name]
    sum[name], before[name] = all - (before[name] or 0), all
  end
  return sum
end

local function line(kind, clients, name, f, most, n)
  print(("%-8s %4d  %-12s %8.0f/s  %6d failed  p99 %8.1f ms  %d calls a key, at most  "
    .. "%d ejections  %d hedges"):format(kind, clients, name, f.rate, f.errors, f.p99, most,
    n.ejections, n.hedges))
  io.stdout:flush()
end

local GO = os.getenv "GO" == "1" and require "interop.golang" or nil

local function measure(kind, clients)
  local dir, seen, before = tmp.dir(), {}, {}
  local c = outage.start { kind = kind, go = GO, script = SCRIPT:format(dir),
    args = { "--connect-timeout", "0.2" } }
  local keys = key_files(dir)
  phase(c, clients, 2, keys) -- every value is there, and latencies are known
  local function one(name, seconds)
    local f = phase(c, clients, seconds, keys)
    local most = calls(dir, seen)
    line(kind, clients, name, f, most, counted(c, before))
  end
  calls(dir, seen)
  counted(c, before)
  one("before", SECONDS)
  c:begin()
  one("first second", 1)
  one("while", SECONDS)
  c:finish()
  one("back", 2)
  one("after", SECONDS)
  c:stop()
end

local function cut_off()
  local has, why = outage.has_namespaces()
  if GO or not has then
    print("cut: skipped, " .. (GO and "for our nodes only" or "no network namespaces: " .. why))
    return
  end
  local r = process.run(outage.in_namespace { "luajit", "bench/outage.lua", "cut",
    env = { OUTAGE_INSIDE = "1" }, timeout = 600 })
  io.stdout:write(r.stdout, r.code == 0 and "" or r.stderr)
end

for _, kind in ipairs(#arg > 0 and arg or outage.KINDS) do
  if kind == "cut" and not os.getenv "OUTAGE_INSIDE" then
    cut_off()
  else
    for clients in CLIENTS:gmatch "%d+" do
      measure(kind, tonumber(clients))
    end
  end
end
