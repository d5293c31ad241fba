-- SPDX-License-Identifier: MIT

--- Counts the instructions of the hot paths with callgrind and holds them against a baseline: wall
-- clocks are noisy, instructions are not. `make guard`; `make guard RENEW=1` writes the baseline
-- anew.
--
-- A path is run twice with different numbers of operations: the difference, divided by that of the
-- numbers, is what one costs, without start and end. The baseline has a line a path, "name count",
-- and says what compiler it was made with; with another one it is to be renewed first. A path over
-- its baseline by more than TOLERANCE is counted again, and the least of its counts is what counts:
-- tables hash with a random key, and a slow run has more ticks of a node. If that is over,
-- too, the guard ends with 1.

package.path = "./spec/?.lua;./?.lua;" .. package.path

local http = require "support.http"
local node = require "support.node"
local process = require "support.process"
local program = require "bench.lib.program"
local socket = require "socket"
local stdlib = require "posix.stdlib"
local tmp = require "support.tmp"

local BASELINE, TOLERANCE = "bench/baseline.txt", 1.1
local COUNTS = 3 -- of a path that is over
local MANY = 2000 -- keys of which no answer is kept

-- Of `rep stos` and `rep movs` callgrind counts every byte as an instruction, which would hide all
-- else behind the memory that libmicrohttpd clears; so the C library is told to do without them.
local TUNABLES = "GLIBC_TUNABLES=glibc.cpu.x86_rep_stosb_threshold=2000000000"
  .. ":glibc.cpu.x86_rep_movsb_threshold=2000000000"

local function callgrind(out)
  return { "env", TUNABLES, "valgrind", "-q", "--tool=callgrind", "--callgrind-out-file=" .. out }
end

local function instructions(out)
  local summary = tmp.read(out):match "\nsummary: (%d+)"
  return tonumber(summary) or error("callgrind gave no summary")
end

-- A program that is told how often.
local function of_program(...)
  local words = { ... }
  return function(n)
    local out = tmp.dir() .. "/callgrind"
    local command = callgrind(out)
    for _, word in ipairs(words) do
      command[#command + 1] = word
    end
    command[#command + 1] = n
    command.timeout = 300
    local r = process.run(command)
    assert(r.code == 0, r.stderr)
    return instructions(out)
  end
end

-- A node that is asked so often, over one kept connection, for one key after the other: `path` has
-- a place for its number.
local function of_node(path, keys)
  return function(n)
    local out = tmp.dir() .. "/callgrind"
    stdlib.setenv("GROUPCACHED_WRAP", table.concat(callgrind(out), " "))
    local server = node.start { script = "bench/nodes/constant.lua",
      args = { "--http-threads", 1, "--workers", 1, "--log-level", "warn" } }
    stdlib.setenv("GROUPCACHED_WRAP", nil)
    local c = assert(http.connect("127.0.0.1", server.port))
    local function ask(i)
      local res = assert(c:request { target = path:format(i % keys) })
      assert(res.status == 200)
    end
    for i = 1, keys do
      ask(i)
    end
    socket.sleep(2) -- a value that is a second old is answered with its age, so let all be that old
    for i = 1, n do
      ask(i)
    end
    c:close()
    assert(server:stop(60) == 0)
    return instructions(out)
  end
end

local PATHS = {
  { "hit", of_program(program.built "paths", "hit"), 20000, 120000 },
  { "miss", of_program(program.built "paths", "miss"), 20000, 60000 },
  { "recall", of_program(program.built "paths", "recall"), 20000, 120000 },
  { "get-read", of_program(program.built "messages", "get-read", "ours"), 10000, 110000 },
  { "request-read", of_program(program.built "messages", "request-read", "ours"), 10000, 110000 },
  { "request-write", of_program(program.built "messages", "request-write", "ours"), 10000, 110000 },
  { "answer-read", of_program(program.built "messages", "answer-read", "ours"), 10000, 110000 },
  { "answer-write", of_program(program.built "messages", "answer-write", "ours"), 10000, 110000 },
  { "lua-hit", of_program("luajit", "-joff", "bench/guard/hit.lua"), 20000, 80000 },
  { "http-hit", of_node("/cache/bench/k%011d", 1), 500, 2500 },
  { "http-hit-peer", of_node("/_groupcache/bench/k%011d", 1), 500, 2500 },
  { "http-hits", of_node("/cache/bench/k%011d", MANY), 500, 2500 },
  { "http-hits-peer", of_node("/_groupcache/bench/k%011d", MANY), 500, 2500 },
}

local function compiler()
  local p = io.popen((os.getenv "CC" or "cc") .. " --version", "r")
  local line = p:read "*l"
  p:close()
  return line
end

local function read_baseline()
  local f = io.open(BASELINE)
  local text = f and f:read "*a" or ""
  if f then
    f:close()
  end
  local counts = {}
  for name, count in ("\n" .. text):gmatch "\n([%w%-]+) (%d+)" do
    counts[name] = tonumber(count)
  end
  return counts, text:match "\n# compiler: ([^\n]*)"
end

-- Instructions of one operation of the path; most: the bound that it should be within.
local function measure(path, most)
  local _, count, few, many = unpack(path)
  local least = math.huge
  for _ = 1, COUNTS do
    least = math.min(least, (count(many) - count(few)) / (many - few))
    if least <= most then break end
  end
  return math.floor(least + 0.5)
end

local function run()
  local renew = os.getenv "RENEW" == "1"
  local baseline, made_with = read_baseline()
  local lines, over = {}, 0
  for _, path in ipairs(PATHS) do
    local name = path[1]
    local known, verdict = baseline[name], "no baseline"
    local each = measure(path, not renew and known and known * TOLERANCE or math.huge)
    lines[#lines + 1] = ("%s %d"):format(name, each)
    if renew then
      verdict = "written"
    elseif known then
      verdict = ("%+.1f %% of %d"):format((each / known - 1) * 100, known)
    end
    if not renew and (not known or each > known * TOLERANCE) then
      over = over + 1
      verdict = verdict .. ": too many"
    end
    print(("%-14s %7d instructions   %s"):format(name, each, verdict))
  end
  if renew then
    tmp.write(BASELINE, "# Instructions of one operation, as `make guard` counts them. Written by "
      .. "`make guard RENEW=1`.\n# compiler: " .. compiler() .. "\n"
      .. table.concat(lines, "\n") .. "\n")
  elseif made_with ~= compiler() then
    print(("the baseline was made with another compiler: %s"):format(made_with or "none"))
  end
  print(over == 0 and "guard: fine" or ("guard: %d of %d paths cost too much"):format(over, #PATHS))
  return over == 0 and 0 or 1
end

local ok, result = pcall(run)
process.cleanup()
tmp.cleanup()
if not ok then
  io.stderr:write("guard: ", tostring(result), "\n")
end
os.exit(ok and result or 1, true)
