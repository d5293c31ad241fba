-- SPDX-License-Identifier: MIT

-- make plant shows that the simulator finds what it is for. Each fault of faults.lua is put into a
-- copy of the tree, in turn, and the simulator runs there until a rule breaks.
--
--   luajit spec/plant/run.lua COPY MAKE SEED STEPS [ONLY]
--
-- COPY is the folder of the copy, MAKE the command that builds the simulator there. Prints a line
-- for each fault: the seed, the steps from SEED on, the seconds, and the rule that broke. Ends with
-- a failure if a fault is not found within STEPS, or if its text is no longer in the file.

local faults = require "spec.plant.faults"
local socket = require "socket"

local copy, make, seed, steps, only = unpack(arg)

local function read(path)
  local f = assert(io.open(path, "rb"))
  local text = f:read "*a"
  f:close()
  return text
end

local function write(path, text)
  local f = assert(io.open(path, "wb"))
  f:write(text)
  f:close()
end

local function planted(text, fault)
  local from, to = text:find(fault.from, 1, true)
  assert(from and not text:find(fault.from, to + 1, true),
    ("plant: %s: its text is not in %s once; see spec/plant/faults.lua"):format(fault.name,
      fault.file))
  return text:sub(1, from - 1) .. fault.to .. text:sub(to + 1)
end

local function sim()
  local began = socket.gettime()
  local p = io.popen(("cd %s && SIM_KEEP=1 build/test/sim %s %s 2>&1"):format(copy, seed, steps))
  local said = p:read "*a"
  p:close()
  return said, socket.gettime() - began
end

-- A cluster has 100,000 steps, then the next seed follows (SIM_EPOCH_STEPS).
local function say(fault, said, took_s)
  local at, step, rule = said:match "sim: seed (%d+), step (%d+), time %d+: ([^\n]*)"
  if not at then
    print(("%-38s not found in %s steps, %.1f s"):format(fault.name, steps, took_s))
    return false
  end
  print(("%-38s seed %s, %d steps, %.1f s: %s"):format(fault.name, at,
    (at - seed) * 100000 + step, took_s, rule))
  return true
end

local missed = 0
for _, fault in ipairs(faults) do
  if not only or only == "" or fault.name:find(only, 1, true) then
    local path = copy .. "/" .. fault.file
    local text = read(path)
    write(path, planted(text, fault))
    local built = os.execute(make)
    assert(built == 0 or built == true, "plant: " .. fault.name .. " does not compile")
    local said, took_s = sim()
    missed = missed + (say(fault, said, took_s) and 0 or 1)
    write(path, text)
  end
end
print(missed == 0 and "plant: fine" or ("plant: %d not found"):format(missed))
os.exit(missed == 0 and 0 or 1)
