-- SPDX-License-Identifier: MIT

-- make soak: three nodes for half of SOAK_SECONDS under mixed traffic, reloads, stops and a source
-- in trouble; then churn_spec.lua. Their memory, descriptors and threads must not grow. No node is
-- killed: a new process would hide what the old one has lost.

local cluster = require "chaos.cluster"
local lfs = require "lfs"
local rig = require "node.rig"
local socket = require "socket"
local tmp = require "support.tmp"

local SEED = tonumber(os.getenv "SEED") or 1
local SECONDS = (tonumber(os.getenv "SOAK_SECONDS") or 0) / 2 -- 0: `make chaos` runs no soak

local HOUR_KB, NOISE_KB = 1000, 3000 -- growth that may be in an hour, and in any time
local WARM = 1 / 3 -- of the time, until memory counts

local function entries(folder)
  local n = 0
  for _ in lfs.dir(folder) do
    n = n + 1
  end
  return n
end

local function sample(pid)
  local status = tmp.read(("/proc/%d/status"):format(pid))
  return { rss_kb = tonumber(status:match "VmRSS:%s*(%d+)"),
    threads = tonumber(status:match "Threads:%s*(%d+)"),
    descriptors = entries(("/proc/%d/fd"):format(pid)), at = socket.gettime() }
end

-- The slope of the samples' memory, in kB an hour (least squares).
local function slope(list)
  local n, x, y, xx, xy = #list, 0, 0, 0, 0
  for _, s in ipairs(list) do
    local t = (s.at - list[1].at) / 3600
    x, y, xx, xy = x + t, y + s.rss_kb, xx + t * t, xy + t * s.rss_kb
  end
  return (n * xy - x * y) / (n * xx - x * x)
end

describe("a soak", function()
  local run = SECONDS > 0 and it or function() end

  run("leaves memory, descriptors and threads as they were", function()
    local c = cluster.new { seed = SEED, nodes = 3, seconds = SECONDS,
      kinds = { "stop", "reload", "slow", "fails" } }
    local samples = { {}, {}, {} }
    local from = socket.gettime() + SECONDS * WARM
    c:run(function()
      for i, n in ipairs(c.nodes) do
        if socket.gettime() > from then
          table.insert(samples[i], sample(n.process.pid))
        end
      end
    end)
    c:settles()
    c:say_counts()
    assert.same({}, c.trouble)
    for i, list in ipairs(samples) do
      local first, last = list[1], list[#list]
      local per_hour = slope(list)
      local grown = per_hour * (last.at - first.at) / 3600
      io.stderr:write(("soak: node %d: %d kB, %+d kB/h; %d to %d descriptors, %d to %d threads\n")
        :format(i, last.rss_kb, per_hour, first.descriptors, last.descriptors, first.threads,
          last.threads))
      assert.is_true(per_hour < HOUR_KB or grown < NOISE_KB, "memory grows")
      assert.is_true(last.descriptors <= first.descriptors + 20, "descriptors grow")
      assert.is_true(last.threads <= first.threads + 3, "threads grow")
    end
    rig.stop_all(c.nodes)
  end)
end)
