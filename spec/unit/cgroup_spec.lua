-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local process = require "support.process"
local tmp = require "support.tmp"
local C = require("support.unit").load "base/cgroup.h"

local MIB = 2 ^ 20

-- A root with these files, path -> text.
local function root_of(files)
  local root = tmp.dir()
  for path, text in pairs(files) do
    local full = root .. path
    assert.equal(0, process.run({ "mkdir", "-p", full:match "(.*)/" }).code)
    tmp.write(full, text)
  end
  return root
end

-- -> processors, MiB of memory; 0 for no limit
local function limits(files)
  local out = ffi.new "struct cgroup_limits"
  C.cgroup_limits(root_of(files), out)
  return out.cpus, tonumber(out.memory) / MIB
end

local V2 = "31 23 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
local V1 = "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
  .. "35 31 0:32 / /sys/fs/cgroup/memory rw shared:9 - cgroup cgroup rw,memory\n"

describe("limits of control groups of version 2", function()
  it("are read from the process's group", function()
    local cpus, memory = limits {
      ["/proc/self/cgroup"] = "0::/app\n",
      ["/proc/self/mountinfo"] = V2,
      ["/sys/fs/cgroup/app/cpu.max"] = "150000 100000\n",
      ["/sys/fs/cgroup/app/memory.max"] = 256 * MIB .. "\n",
      ["/sys/fs/cgroup/app/memory.high"] = "max\n",
    }
    assert.equal(1.5, cpus)
    assert.equal(256, memory)
  end)

  it("are the lowest of all groups above it, and of memory.high", function()
    local cpus, memory = limits {
      ["/proc/self/cgroup"] = "0::/pods/a/b\n",
      ["/proc/self/mountinfo"] = V2,
      ["/sys/fs/cgroup/pods/cpu.max"] = "50000 100000\n",
      ["/sys/fs/cgroup/pods/a/memory.high"] = 100 * MIB .. "\n",
      ["/sys/fs/cgroup/pods/a/memory.max"] = 200 * MIB .. "\n",
      ["/sys/fs/cgroup/pods/a/b/cpu.max"] = "400000 100000\n",
      ["/sys/fs/cgroup/pods/a/b/memory.max"] = 300 * MIB .. "\n",
    }
    assert.equal(0.5, cpus)
    assert.equal(100, memory)
  end)

  it("are none where the files say max", function()
    local cpus, memory = limits {
      ["/proc/self/cgroup"] = "0::/app\n",
      ["/proc/self/mountinfo"] = V2,
      ["/sys/fs/cgroup/app/cpu.max"] = "max 100000\n",
      ["/sys/fs/cgroup/app/memory.max"] = "max\n",
    }
    assert.equal(0, cpus)
    assert.equal(0, memory)
  end)

  it("are those at the mount, in a container with a name space of its own", function()
    local cpus, memory = limits {
      ["/proc/self/cgroup"] = "0::/\n",
      ["/proc/self/mountinfo"] = V2,
      ["/sys/fs/cgroup/cpu.max"] = "200000 100000\n",
      ["/sys/fs/cgroup/memory.max"] = 64 * MIB .. "\n",
    }
    assert.equal(2, cpus)
    assert.equal(64, memory)
  end)

  it("are those at the mount for a process that has moved out of what is mounted", function()
    local cpus = limits {
      ["/proc/self/cgroup"] = "0::/../other\n",
      ["/proc/self/mountinfo"] = V2,
      ["/sys/fs/cgroup/cpu.max"] = "200000 100000\n",
      ["/sys/fs/other/cpu.max"] = "1000 100000\n",
    }
    assert.equal(2, cpus)
  end)
end)

describe("limits of control groups of version 1", function()
  it("are read from the hierarchy of each controller", function()
    local cpus, memory = limits {
      ["/proc/self/cgroup"] = "4:memory:/m/n\n2:cpuset:/c\n1:cpu,cpuacct:/app\n0::/\n",
      ["/proc/self/mountinfo"] = V1,
      ["/sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_quota_us"] = "25000\n",
      ["/sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_period_us"] = "100000\n",
      ["/sys/fs/cgroup/memory/m/memory.limit_in_bytes"] = 128 * MIB .. "\n",
      ["/sys/fs/cgroup/memory/m/n/memory.limit_in_bytes"] = "9223372036854771712\n",
    }
    assert.equal(0.25, cpus)
    assert.equal(128, memory)
  end)

  it("are none where the quota is -1", function()
    local cpus, memory = limits {
      ["/proc/self/cgroup"] = "4:memory:/\n1:cpu,cpuacct:/\n",
      ["/proc/self/mountinfo"] = V1,
      ["/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us"] = "-1\n",
      ["/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us"] = "100000\n",
      ["/sys/fs/cgroup/memory/memory.limit_in_bytes"] = "9223372036854771712\n",
    }
    assert.equal(0, cpus)
    assert.equal(0, memory)
  end)

  it("are those at the mount in a container, which sees its own group there", function()
    local cpus = limits {
      ["/proc/self/cgroup"] = "1:cpu,cpuacct:/docker/abc\n",
      ["/proc/self/mountinfo"] =
        "32 31 0:29 /docker/abc /sys/fs/cgroup/cpu ro - cgroup cgroup rw,cpu,cpuacct\n",
      ["/sys/fs/cgroup/cpu/cpu.cfs_quota_us"] = "300000\n",
      ["/sys/fs/cgroup/cpu/cpu.cfs_period_us"] = "100000\n",
    }
    assert.equal(3, cpus)
  end)
end)

describe("limits of control groups", function()
  it("are none where nothing is mounted, or files say nothing of use", function()
    for _, files in ipairs { {}, { ["/proc/self/cgroup"] = "0::/app\n" },
      { ["/proc/self/cgroup"] = "x\n\n0:\n0::\n", ["/proc/self/mountinfo"] = "31 - cgroup2\n" },
      { ["/proc/self/cgroup"] = "0::/app\n", ["/proc/self/mountinfo"] = V2,
        ["/sys/fs/cgroup/app/cpu.max"] = "150000\n", ["/sys/fs/cgroup/app/memory.max"] = "" },
      { ["/proc/self/cgroup"] = "0::/app\n", ["/proc/self/mountinfo"] = V2,
        ["/sys/fs/cgroup/app/cpu.max"] = "0 0\n", ["/sys/fs/cgroup/app/memory.max"] = "-5\n" } } do
      local cpus, memory = limits(files)
      assert.equal(0, cpus)
      assert.equal(0, memory)
    end
  end)

  it("count the processors on which the process may run", function()
    local r = process.run { "nproc", env = { OMP_NUM_THREADS = false, OMP_THREAD_LIMIT = false } }
    assert.equal(tonumber(r.stdout), C.cgroup_cores())
  end)
end)
