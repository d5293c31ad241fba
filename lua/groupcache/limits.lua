-- SPDX-License-Identifier: MIT
-- groupcache.limits: what the machine and the process's control groups allow, the defaults that
-- follow from it, and what a node may take of it.

local core = require "groupcache.core"

local limits = {}

local MAX_THREADS = 256
local USUAL_VM_BYTES, LEAST_VM_BYTES = 64 * 2 ^ 20, 8 * 2 ^ 20
local USUAL_CACHE, USUAL_CACHE_BYTES = "64MB", 64e6
-- Of a limit of memory: caches by default take a quarter for each group, and all VMs together one.
local SHARE = 1 / 4

-- docs/design/memory.md: what all may take together.
local OVERHEAD, FIXED_BYTES = 1.15, 24 * 2 ^ 20

--- @return cores that the process may use; processors and bytes of memory that its control groups
-- allow, each nil if they set no limit
function limits.found()
  local cores, _, cpus, memory = core.limits()
  return cores, cpus, memory
end

--- The default of workers and of http_threads: one a core, and no more than processors are allowed.
function limits.threads()
  local cores, cpus = limits.found()
  return math.max(1, math.min(cores, cpus and math.ceil(cpus) or cores, MAX_THREADS))
end

--- The default of vm_bytes.
function limits.vm_bytes(workers)
  local _, _, memory = limits.found()
  local share = memory and math.floor(memory * SHARE / (workers + 1)) or USUAL_VM_BYTES
  return math.max(LEAST_VM_BYTES, math.min(USUAL_VM_BYTES, share))
end

--- The default of cache_bytes, as a size.
function limits.cache_bytes()
  local _, _, memory = limits.found()
  local share = memory and math.floor(memory * SHARE) or USUAL_CACHE_BYTES
  return share < USUAL_CACHE_BYTES and share or USUAL_CACHE
end

-- The VMs of key functions, if any group has one.
local function keyers(settings, groups)
  for _, group in ipairs(groups) do
    if group.makes_keys then
      return core.keyers(settings.http_threads)
    end
  end
  return 0
end

--- Bytes that a node may take when all caches and VMs are full.
-- @param groups as script:groups() returns them
function limits.budget(settings, groups)
  local caches = 0
  for _, group in ipairs(groups) do
    caches = caches + group.cache_bytes
  end
  return math.ceil(caches * OVERHEAD + FIXED_BYTES
    + (settings.workers + keyers(settings, groups)) * settings.vm_bytes)
end

local function mib(bytes)
  return ("%.0f MiB"):format(bytes / 2 ^ 20)
end

local function count(n, what)
  return ("%d %s%s"):format(n, what, n == 1 and "" or "s")
end

--- The sentence that `check` prints: what was found, and what the node takes of it.
function limits.sentence(settings, groups)
  local cores, cpus, memory = limits.found()
  return ("%s and %s, for %s%s; caches and VMs may take %s, %s"):format(
    count(settings.workers, "worker"), count(settings.http_threads, "HTTP thread"),
    count(cores, "core"),
    cpus and (" and a limit of %.4g processors"):format(cpus) or "",
    mib(limits.budget(settings, groups)),
    memory and ("and the limit is %s"):format(mib(memory)) or "and there is no limit")
end

--- The warning when the limit is too low; nil when it is not, or there is none.
function limits.warning(settings, groups)
  local _, _, memory = limits.found()
  local budget = limits.budget(settings, groups)
  if memory and budget > memory then
    return ("caches and VMs may take %s, and the control group's limit of memory is %s: lower "
      .. "cache_bytes, vm_bytes or workers, or raise the limit"):format(mib(budget), mib(memory))
  end
end

--- Writes both into the log, when a node starts.
function limits.log(settings, groups)
  local cores, cpus, memory = limits.found()
  core.log("info", "limits", ("cores=%d cpus=%s memory=%s workers=%d http_threads=%d budget=%.0f")
    :format(cores, cpus and ("%.4g"):format(cpus) or "unlimited",
      memory and ("%.0f"):format(memory) or "unlimited", settings.workers, settings.http_threads,
      limits.budget(settings, groups)), "node")
  local warning = limits.warning(settings, groups)
  if warning then
    core.log("warn", warning, "", "node")
  end
end

return limits
