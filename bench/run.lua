-- SPDX-License-Identifier: MIT

--- Runs the rows of the benchmark and prints one table: `make bench`.
--
--   luajit bench/run.lua            from the root of the tree, after `make bench-programs`
--
-- Environment: ROUNDS [5], SECONDS [5] of each measurement, ONLY=row,row (names of bench/rows/),
-- PART=text: of rows that are lists, those whose titles have the text, such as "512 keys, zipf";
-- STRICT=1: exit status 1 when a row falls short or is missing; BUILD, RESULTS [bench/results.md].
--
-- A row is a file of bench/rows/ that returns
--   { title =, sides = { { name =, open = fn(bench) -> x, round = fn(x, i) -> figures,
--     close = fn(x) }, ... }, lines = { see bench/lib/report.lua } }
-- or a list of such. All sides of a row are opened, then take turns, round after round, each
-- begun by another one than the round before. A side that raises is missing from then on: its lines
-- say why and count as not reached; the others go on.

package.path = "./spec/?.lua;./?.lua;" .. package.path

local lfs = require "lfs"
local machine = require "bench.lib.machine"
local pin = require "bench.lib.pin"
local process = require "support.process"
local report = require "bench.lib.report"
local tmp = require "support.tmp"

local ROWS = { "hit", "keys", "forward", "many", "miss", "inside", "threads", "memory", "ring",
  "ratio", "trace", "mixed", "storm", "snapshot", "start", "tls", "edges" }

local bench = {
  rounds = tonumber(os.getenv "ROUNDS" or "") or 5,
  seconds = tonumber(os.getenv "SECONDS" or "") or 5,
}

local function say(...)
  io.stderr:write(string.format(...), "\n")
end

local function chosen()
  local only = os.getenv "ONLY" or ""
  if only == "" then
    return ROWS
  end
  local list = {}
  for name in only:gmatch "[^,%s]+" do
    if not lfs.attributes("bench/rows/" .. name .. ".lua", "mode") then
      error(("ONLY: no row %q; there are: %s"):format(name, table.concat(ROWS, " ")), 0)
    end
    list[#list + 1] = name
  end
  return list
end

-- Calls fn; an error becomes the side's trouble, its first line.
local function try(m, fn, ...)
  local ok, result = pcall(fn, ...)
  if ok then
    return result
  end
  m.trouble = tostring(result):match "[^\n]*"
  say("  %s: %s", m.name, tostring(result))
end

-- The rows of a file that are wanted.
local function parts(found)
  local part, list = os.getenv "PART" or "", {}
  for _, row in ipairs(found.title and { found } or found) do
    if row.title:find(part, 1, true) then
      list[#list + 1] = row
    end
  end
  return list
end

local function measure(row)
  local all, measured = {}, {}
  for i, side in ipairs(row.sides) do
    local m = { name = side.name, side = side, rounds = {} }
    all[i], measured[side.name] = m, m
    m.x = side.open and try(m, side.open, bench)
  end
  for round = 1, bench.rounds do
    for i = 1, #all do
      local m = all[(i + round - 2) % #all + 1]
      if not m.trouble then
        m.rounds[round] = try(m, m.side.round, m.x, round, bench)
      end
    end
    say("  round %d of %d", round, bench.rounds)
  end
  for _, m in ipairs(all) do
    if m.x and m.side.close then
      pcall(m.side.close, m.x)
    end
  end
  return measured
end

local function run()
  local facts, versions, notes, lines = machine.facts(), machine.versions(), {}, {}
  notes[1] = ("Rounds: %d, of %g s each; sides take turns. Shown: the median (least..most).")
    :format(bench.rounds, bench.seconds)
  notes[2] = pin.shared
    and "This machine has one core only: clients share it with what is measured."
    or ("Servers run on core %d, clients on core %d."):format(pin.server, pin.client)
  pin.self_on_client()
  for _, name in ipairs(chosen()) do
    for _, row in ipairs(parts(require("bench.rows." .. name))) do
      say("%s: %s", name, row.title)
      local measured = measure(row)
      for _, spec in ipairs(row.lines) do
        lines[#lines + 1] = report.line(row, spec, measured)
      end
    end
  end
  facts[#facts + 1] = { "load average after", machine.load() }

  for _, list in ipairs { facts, versions } do
    for _, fact in ipairs(list) do
      print(("%-20s %s"):format(fact[1], fact[2]))
    end
  end
  print("\n" .. table.concat(notes, "\n") .. "\n")
  io.write(report.text(lines))
  tmp.write(os.getenv "RESULTS" or "bench/results.md",
    report.markdown(lines, facts, versions, notes))

  local n = report.count(lines)
  print("\n" .. n.text)
  return os.getenv "STRICT" == "1" and n.short + n.missing > 0 and 1 or 0
end

local ok, result = pcall(run)
process.cleanup()
tmp.cleanup()
if not ok then
  say("bench: %s", tostring(result))
end
os.exit(ok and result or 1, true)
