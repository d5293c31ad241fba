-- SPDX-License-Identifier: MIT

--- What a process has used, as the kernel counts it.
--
--   usage.cpu(pid) -> seconds    user and system time, of its children that run, too
--   usage.rss(pid) -> bytes      resident memory
--   usage.reaped() -> seconds    CPU time of all children of ours that have ended

local ffi = require "ffi"
local unistd = require "posix.unistd"

-- luaposix has times() too, but gives whole seconds.
ffi.cdef [[
struct bench_tms { long utime, stime, cutime, cstime; };
long bench_times(struct bench_tms *out) __asm__("times");
]]

local TICKS = unistd.sysconf(unistd._SC_CLK_TCK)

local usage = {}

local function read(path)
  local f = io.open(path)
  if not f then
    return ""
  end
  local text = f:read "*a" or ""
  f:close()
  return text
end

function usage.cpu(pid)
  -- The name, in parentheses, may hold spaces: what follows it is counted. Fields 14 and 15.
  local after = read(("/proc/%d/stat"):format(pid)):match "^.*%)(.*)$"
  if not after then
    error(("process %d has ended"):format(pid), 2)
  end
  local fields = {}
  for word in after:gmatch "%S+" do
    fields[#fields + 1] = tonumber(word) or 0
  end
  local seconds = (fields[12] + fields[13]) / TICKS
  for child in read(("/proc/%d/task/%d/children"):format(pid, pid)):gmatch "%d+" do
    seconds = seconds + usage.cpu(tonumber(child))
  end
  return seconds
end

function usage.rss(pid)
  local kb = read(("/proc/%d/status"):format(pid)):match "VmRSS:%s*(%d+) kB"
  return assert(tonumber(kb), "no VmRSS") * 1024
end

function usage.reaped()
  local t = ffi.new "struct bench_tms"
  ffi.C.bench_times(t)
  return tonumber(t.cutime + t.cstime) / TICKS
end

return usage
