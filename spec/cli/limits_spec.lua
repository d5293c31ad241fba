-- SPDX-License-Identifier: MIT

-- What a node takes of a machine whose control groups have limits: spec/unit/cgroup_spec.lua has
-- their forms, here is what follows.

local lfs = require "lfs"
local node = require "support.node"
local process = require "support.process"
local socket = require "socket"
local tmp = require "support.tmp"

local MIB = 2 ^ 20

local SCRIPT = [[
  require("groupcache").group("g", { getter = function(key) return key end })
]]

-- The files of a limit: version 2, or 1 with a folder for each controller.
local V2, V1 = "/sys/fs/cgroup/", { cpu = "/sys/fs/cgroup/cpu/", memory = "/sys/fs/cgroup/memory/" }

local made = {}

-- A group of the controller, or nil.
local function group(controller, file)
  local name = "groupcache-limits-" .. tostring(socket.gettime()):gsub("%D", "")
  for _, where in ipairs { V1[controller], V2 } do
    if lfs.attributes(where, "mode") and lfs.mkdir(where .. name) then
      made[#made + 1] = where .. name
      if lfs.attributes(where .. name .. "/" .. file[where == V2 and 2 or 1], "mode") then
        return where .. name, where == V2
      end
    end
  end
end

local function write(path, text)
  local f = assert(io.open(path, "w"))
  assert(f:write(text))
  assert(f:close())
end

-- A program that runs groupcached in these groups; nil where none can be made.
local function limited(cpus, bytes)
  local lines = { "#!/bin/sh" }
  local function enter(folder)
    lines[#lines + 1] = ("echo $$ >%s/cgroup.procs || exit 9"):format(folder)
  end
  if cpus then
    local folder, two = group("cpu", { "cpu.cfs_quota_us", "cpu.max" })
    if not folder then
      return nil
    end
    write(folder .. (two and "/cpu.max" or "/cpu.cfs_quota_us"),
      ("%d"):format(cpus * 100000) .. (two and " 100000" or ""))
    enter(folder)
  end
  if bytes then
    local folder, two = group("memory", { "memory.limit_in_bytes", "memory.max" })
    if not folder then
      return nil
    end
    write(folder .. (two and "/memory.max" or "/memory.limit_in_bytes"), ("%d"):format(bytes))
    enter(folder)
  end
  local binary = node.binary:sub(1, 1) == "/" and node.binary
    or lfs.currentdir() .. "/" .. node.binary
  lines[#lines + 1] = ('exec "%s" "$@"'):format(binary)
  local path = tmp.file(table.concat(lines, "\n") .. "\n", "limited")
  assert.equal(0, process.run({ "chmod", "+x", path }).code)
  return path
end

-- What the node's log says of its limits, by name.
local function said_of(n)
  local found = {}
  for name, value in (n:log():match '[^\n]*msg="limits"[^\n]*' or ""):gmatch "(%l[%l_]*)=(%S+)" do
    found[name] = tonumber(value) or value
  end
  return found
end

describe("the limits of a node's control groups", function()
  local n

  after_each(function()
    if n then
      n:stop()
      n = nil
    end
    for _, folder in ipairs(made) do
      lfs.rmdir(folder)
    end
    made = {}
  end)

  it("bound the workers and the HTTP threads by the processors that are allowed", function()
    local program = limited(0.5)
    if not program then
      return pending "no control group can be made here"
    end
    n = node.start { program = program, script = SCRIPT }
    local said = said_of(n)
    assert.equal(0.5, said.cpus)
    assert.equal(1, said.workers)
    assert.equal(1, said.http_threads)
  end)

  it("bound the default sizes of caches and VMs by the memory", function()
    local program = limited(nil, 128 * MIB)
    if not program then
      return pending "no control group can be made here"
    end
    n = node.start { program = program, script = SCRIPT, args = { "--workers", "3" } }
    local said = said_of(n)
    assert.equal(128 * MIB, said.memory)
    -- A quarter for the group, and one for all VMs.
    assert.equal(math.ceil(32 * MIB * 1.15) + 3 * 8 * MIB + 24 * MIB, said.budget)
    assert.is_nil(n:log():find("raise the limit", 1, true))
  end)

  it("are warned of, by check and in the log, when the settings are above them", function()
    local program = limited(nil, 128 * MIB)
    if not program then
      return pending "no control group can be made here"
    end
    local script = SCRIPT:gsub("{", '{ cache_bytes = "200MiB",', 1)
    local r = process.run { program, "check", tmp.file(script, "node.lua"), timeout = 20 }
    assert.equal(0, r.code)
    assert.matches("the limit is 128 MiB", r.stdout, 1, true)
    assert.matches("the control group's limit of memory is 128 MiB: lower", r.stderr, 1, true)
    n = node.start { program = program, script = script }
    assert.matches("level=warn [^\n]*control group's limit of memory is 128 MiB: lower", n:log())
  end)
end)

describe("the cores that a node may use", function()
  it("are those of its processor set", function()
    local binary = node.binary
    local r = process.run { "taskset", "-c", "0", binary, "check", tmp.file(SCRIPT, "node.lua"),
      timeout = 20 }
    assert.matches("\n1 worker and 1 HTTP thread, for 1 core;", r.stdout, 1, true)
  end)
end)
