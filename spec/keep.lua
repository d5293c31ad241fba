-- SPDX-License-Identifier: MIT

-- make keep: writes a spec of spec/regress/ that runs a seed of the simulator or of chaos again.
--
--   luajit spec/keep.lua sim NAME SIM SEED STEPS [DROP]
--   luajit spec/keep.lua chaos NAME SEED NODES SECONDS NAMESPACE
--
-- Without DROP the simulator (SIM is its path) leaves out the acts that do not matter. The spec
-- fails until the fault is mended; its head is to be written by hand.

local lfs = require "lfs"

local SIM = [[
-- SPDX-License-Identifier: MIT

-- The simulator broke a rule with this seed: RULE

local process = require "support.process"

local build = os.getenv "BUILD" or "build"

describe("the simulator", function()
  it("breaks no rule with seed SEED, which it did: NAME", function()
    local got = process.run { build .. "/test/sim", timeout = 120, env = { SIM_KEEP = "1" },
      "SEED", "STEPS",
      "DROP" }
    assert.equal(0, got.code, got.stdout .. got.stderr)
  end)
end)
]]

local CHAOS = [[
-- SPDX-License-Identifier: MIT

-- Nodes broke a rule of chaos with this seed: NAME

local cluster = require "chaos.cluster"
local rig = require "node.rig"

describe("a cluster of NODES nodes", function()
  it("breaks no rule under the faults of seed SEED, which it did: NAME", function()
NEEDS    local c = cluster.new { seed = SEED, nodes = NODES, seconds = SECONDS,
      kinds = KINDS }
    c:run()
    c:settles()
    rig.stop_all(c.nodes)
    assert.same({}, c.trouble)
  end)
end)
]]

-- Where links were cut.
local NEEDS = [[
    if not cluster.cuts then
      pending "no namespace, so no link can be cut: make chaos runs this"
      return
    end
]]

local function fail(fmt, ...)
  io.stderr:write("keep: ", fmt:format(...), "\n")
  os.exit(1)
end

local function next_number()
  local most = 0
  for name in lfs.dir "spec/regress" do
    most = math.max(most, tonumber(name:match "^%d+") or 0)
  end
  return most + 1
end

-- The drops that are left when all acts that do not matter are left out, and the broken rule.
local function shorten(sim, seed, steps, drop)
  local p = assert(io.popen(("%s %s %s %s 2>&1"):format(sim, seed, steps, drop or "")))
  local said = p:read "*a"
  p:close()
  local rule = said:match "sim: seed[^\n]*: ([^\n]*)"
  if not rule then
    fail("seed %s breaks no rule in %s steps", seed, steps)
  end
  local short, less, dropped = said:match "short:%s+make sim SEED=(%d+) STEPS=(%d+) DROP=([%d,-]*)"
  return short or seed, less or steps, dropped or drop or "", rule
end

-- Lines of at most 100 bytes, in one Lua string.
local function broken_up(drop)
  local lines, line = {}, ""
  for part in drop:gmatch "[^,]+" do
    if #line + #part > 80 then
      lines[#lines + 1], line = line, ""
    end
    line = line .. part .. ","
  end
  lines[#lines + 1] = line:sub(1, -2)
  return table.concat(lines, "\"\n        .. \"")
end

local function write(name, text, fields)
  local path = ("spec/regress/%02d-%s_spec.lua"):format(next_number(), name:gsub("[^%w]+", "-"))
  local f = assert(io.open(path, "w"))
  f:write((text:gsub("%u[%u_]+", fields)))
  f:close()
  print(path)
end

local kind, name = arg[1], arg[2]
local spoken = name ~= "" and name:gsub("-", " ") or "see its schedule"

if kind == "sim" then
  local seed, steps, drop, rule = shorten(arg[3], arg[4], arg[5], arg[6])
  write(name ~= "" and name or "sim-seed-" .. seed, SIM,
    { SEED = seed, STEPS = steps, DROP = broken_up(drop), NAME = spoken,
      RULE = rule:sub(1, 60) })
elseif kind == "chaos" then
  local kinds = dofile "spec/chaos/kinds.lua"(arg[6] == "1")
  write("chaos-" .. (name ~= "" and name or "seed-" .. arg[3]), CHAOS,
    { SEED = arg[3], NODES = arg[4], SECONDS = arg[5], NAME = spoken,
      NEEDS = arg[6] == "1" and NEEDS or "",
      KINDS = "{ \"" .. table.concat(kinds, "\", \"", 1, 6) .. "\",\n        \""
        .. table.concat(kinds, "\", \"", 7) .. "\" }" })
else
  fail("KIND=%s: a kind is sim or chaos", tostring(kind))
end
