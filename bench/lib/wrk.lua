-- SPDX-License-Identifier: MIT

--- wrk as the client, with one thread, on the client's core.
--
--   wrk.run{ url=, seconds=, connections=64, script=, args={}, pids={ name = pid },
--           may_fail=, again= } -> figures
--     rate         requests answered, a second
--     cpu_NAME     CPU microseconds of process NAME a request
--     client       what part of its core the client itself used, 0 to 1
--     p50, p99, max  latency in milliseconds
--     failed       requests without a 2xx; with may_fail, otherwise they raise
--   wrk.start{ the same } -> w, w:wait() -> figures          for more than one at a time
--
-- An answer other than 2xx, a broken connection or a time-out is no figure but a failure: it
-- raises. So does a list of keys that is at its end, unless `again` says that it may begin
-- anew. Scripts are in bench/wrk/; each ends with its line of figures, see bench/wrk/report.lua.

local pin = require "bench.lib.pin"
local process = require "support.process"
local program = require "bench.lib.program"
local tmp = require "support.tmp"
local usage = require "bench.lib.usage"

local wrk = {}
local methods = {}
methods.__index = methods

function wrk.start(o)
  local w = setmetatable({ dir = tmp.dir(), pids = o.pids or {}, before = {},
    may_fail = o.may_fail, again = o.again }, methods)
  w.seconds = o.seconds
  local command = { "wrk", "-t1", "-c" .. (o.connections or 64), "-d" .. o.seconds .. "s",
    "--timeout", "10s", "-s", "bench/wrk/" .. (o.script or "report") .. ".lua", o.url, "--",
    stdout = w.dir .. "/out", stderr = w.dir .. "/err" }
  for _, arg in ipairs(o.args or {}) do
    command[#command + 1] = arg
  end
  w.reaped = usage.reaped()
  for name, pid in pairs(w.pids) do
    w.before[name] = usage.cpu(pid)
  end
  w.process = process.spawn(pin.on_client(command))
  return w
end

function methods:wait()
  local code = self.process:wait(self.seconds + 30)
  local out = tmp.read(self.dir .. "/out")
  if code ~= 0 then
    error(("wrk ended with %s: %s"):format(code, out .. tmp.read(self.dir .. "/err")), 2)
  end
  local f = program.parse(out)
  if (f.errors > 0 and not self.may_fail) or f.requests == 0 then
    error(("%d of %d requests failed"):format(f.errors, f.requests), 2)
  elseif f.ran_out == 1 and not self.again then
    error("the list of keys ran out", 2)
  end
  local took = f.us / 1e6
  local figures = { rate = f.requests / took, p50 = f.p50 / 1000, p99 = f.p99 / 1000,
    max = f.max / 1000,
    failed = f.errors,
    client = (usage.reaped() - self.reaped) / took }
  for name, pid in pairs(self.pids) do
    figures["cpu_" .. name] = (usage.cpu(pid) - self.before[name]) * 1e6 / f.requests
  end
  tmp.remove(self.dir)
  return figures
end

function wrk.run(o)
  return wrk.start(o):wait()
end

return wrk
