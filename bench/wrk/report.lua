-- SPDX-License-Identifier: MIT
-- What wrk found, in the line that bench/lib/program.lua reads. The request is wrk's own, made
-- once.

local threads = {}

function setup(thread)
  threads[#threads + 1] = thread
end

function done(summary, latency)
  local errors = 0
  for _, n in pairs(summary.errors) do
    errors = errors + n
  end
  print(("bench requests=%d us=%d errors=%d ran_out=%d p50=%.1f p99=%.1f max=%d"):format(
    summary.requests, summary.duration, errors, threads[1]:get "ran_out" and 1 or 0,
    latency:percentile(50), latency:percentile(99), latency.max))
end
