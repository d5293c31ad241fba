-- SPDX-License-Identifier: MIT
-- A steady rate below what the server can do: arguments are requests a second for all connections,
-- and what new_keys.lua takes, or nothing more for the URL itself.
--
-- Each request has its moment, so many apart, and whichever connection is free next takes the next
-- one; a late answer does not shift the others. wrk waits whole milliseconds: a wait is cut or
-- lengthened at random such that its mean is right.

local ffi = require "ffi"

ffi.cdef [[
struct bench_timespec { long s, ns; };
int clock_gettime(int clock, struct bench_timespec *out);
]]
local CLOCK_MONOTONIC = 1

local t = ffi.new "struct bench_timespec"
local apart_ms, next_ms

local function now_ms()
  ffi.C.clock_gettime(CLOCK_MONOTONIC, t)
  return tonumber(t.s) * 1000 + tonumber(t.ns) / 1e6
end

function init(args)
  apart_ms = 1000 / tonumber(args[1])
  if args[2] then
    dofile "bench/wrk/new_keys.lua"
    init { args[2], args[3] }
  end
end

function delay()
  local now = now_ms()
  next_ms = (next_ms or now) + apart_ms
  local wait = math.max(0, next_ms - now)
  local whole = math.floor(wait)
  return whole + (math.random() < wait - whole and 1 or 0)
end

dofile "bench/wrk/report.lua"
