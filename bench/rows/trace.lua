-- SPDX-License-Identifier: MIT
-- The part of gets that are hits when recorded requests are played to the engine's group:
-- `make bench ONLY=trace TRACES=DIR ROUNDS=1`. DIR has files NAME.u32 or NAME.u32.zst. They are the
-- objects that were asked for, in order, as little-endian numbers of 32 bits. The cache has the
-- bytes of 1, 5, 10 and 25 % of the objects; values of 300 bytes, and of 64 to 8192 bytes. All
-- evictions have the same cache_bytes. Traces of few requests are played to twelve groups of a
-- program, too. Then one node beside three nodes with a third of the bytes each, and hot = "rate".
-- Last the means over all traces: of hits/OPT, with the hits of Belady's algorithm, and of the
-- points of a hundred above LRU. Without TRACES there are no such rows.

local lfs = require "lfs"
local program = require "bench.lib.program"

local function part(name, ...)
  local hits = program.run { program.built "trace", ... }
  return { [name] = hits.hits, [name .. "_bytes"] = hits.bytes }
end

local opt = {} -- path and percent -> the hits of Belady's algorithm

local function opt_of(path, percent)
  local key = path .. " " .. percent
  opt[key] = opt[key] or program.run { program.built "trace", path, percent, "opt", 300 }.hits
  return opt[key]
end

-- For each size of values: the points of a hundred above LRU, and the hits by OPT.
local function tally()
  return { above = {}, above_bytes = {}, of_opt = {} }
end

local tallies = { [300] = tally(), [0] = tally() }

local function note(path, percent, value, lru, adaptive)
  local t = tallies[value]
  t.above[#t.above + 1] = adaptive.hits - lru.hits
  t.above_bytes[#t.above_bytes + 1] = adaptive.hits_bytes - lru.hits_bytes
  if value > 0 then
    t.of_opt[#t.of_opt + 1] = adaptive.hits / opt_of(path, percent)
  end
end

local function mean_and_least(list)
  local sum = 0
  for _, n in ipairs(list) do
    sum = sum + n
  end
  return sum / #list, math.min(unpack(list))
end

local function all(value)
  local t, side = tallies[value], { name = "adaptive" }
  function side.round()
    local figures = {}
    for name, list in pairs(t) do
      if #list > 0 then
        figures[name], figures[name .. "_least"] = mean_and_least(list)
      end
    end
    return figures
  end
  local lines = {
    { figure = "points above lru, the mean", of = "above", reach = 4.8 },
    { figure = "points above lru, the least", of = "above_least", reach = -0.5 },
    { figure = "points of bytes above lru, the mean", of = "above_bytes" },
    { figure = "points of bytes above lru, the least", of = "above_bytes_least" },
  }
  if value > 0 then
    lines = { { figure = "hits/OPT, the mean", of = "of_opt", reach = 0.84 }, lines[1], lines[2] }
  end
  for _, line in ipairs(lines) do
    line.ours, line.better = "adaptive", "more"
  end
  return { title = ("all traces and sizes, values of %s bytes"):format(
    value > 0 and value or "64 to 8192"), sides = { side }, lines = lines }
end

-- The sides take turns, and each begins a round once: whoever ends a round notes both.
local function side(name, path, percent, value, round_of)
  return { name = name, round = function(_, round)
    local of = round_of[round] or {}
    round_of[round], of[name] = of, part("hits", path, percent, name, value)
    if of.lru and of.adaptive and not of.noted then
      of.noted = true
      note(path, percent, value, of.lru, of.adaptive)
    end
    return of[name]
  end }
end

local function row(path, percent, value)
  local sides, round_of = {}, {}
  for _, name in ipairs { "adaptive", "lru", "sieve" } do
    sides[#sides + 1] = side(name, path, percent, value, round_of)
  end
  return {
    title = ("%s, cache = %d %% of the objects, values of %s bytes"):format(
      path:match "([^/]+)%.u32", percent, value > 0 and value or "64 to 8192"),
    sides = sides,
    lines = {
      { figure = "hits, %; beside: lru", of = "hits", ours = "adaptive", peer = "lru",
        reach = 0.995, better = "more" },
      { figure = "hits, %; beside: sieve", of = "hits", ours = "adaptive", peer = "sieve",
        better = "more" },
      { figure = "bytes of hits, %; beside: lru", of = "hits_bytes", ours = "adaptive",
        peer = "lru", better = "more" },
    },
  }
end

local function cluster(path)
  return {
    title = ("%s, cache = 10 %% of the objects, three nodes"):format(path:match "([^/]+)%.u32"),
    sides = {
      { name = "three", round = function() return part("hits", path, 10, "adaptive", 300, 3) end },
      { name = "adaptive", round = function() return part("hits", path, 10, "adaptive", 300) end },
    },
    lines = {
      { figure = "hits, %; beside: one node", of = "hits", ours = "three", peer = "adaptive",
        reach = 0.97, better = "more" },
    },
  }
end

-- Groups of a program, by the public calls; each has other hashes.
local GROUPS, SMALL = 12, 200000

local function product(path, percent)
  return {
    title = ("%s, cache = %d %% of the objects, %d groups of a program"):format(
      path:match "([^/]+)%.u32", percent, GROUPS),
    sides = { { name = "adaptive", round = function()
      return program.run { "luajit", "bench/inside/product.lua", path, percent, 300, GROUPS }
    end } },
    lines = {
      { figure = "points above lru, the mean", of = "above", ours = "adaptive", better = "more" },
      { figure = "points above lru, the least", of = "least", ours = "adaptive", reach = -0.5,
        better = "more" },
    },
  }
end

-- The number of requests in a file, which may be packed.
local function requests(path)
  local f = path:match "%.zst$" and assert(io.popen(("zstd -dcq '%s' | wc -c"):format(path)))
  local n = f and f:read "*n" or lfs.attributes(path, "size")
  if f then
    f:close()
  end
  return n / 4
end

local rows, folder = {}, os.getenv "TRACES" or ""
if folder ~= "" then
  local names = {}
  for name in lfs.dir(folder) do
    names[#names + 1] = name:match "%.u32$" and name or name:match "%.u32%.zst$" and name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    for _, value in ipairs { 300, 0 } do
      for _, percent in ipairs { 1, 5, 10, 25 } do
        rows[#rows + 1] = row(folder .. "/" .. name, percent, value)
      end
    end
    if requests(folder .. "/" .. name) <= SMALL then
      for _, percent in ipairs { 1, 5, 10, 25 } do
        rows[#rows + 1] = product(folder .. "/" .. name, percent)
      end
    end
    rows[#rows + 1] = cluster(folder .. "/" .. name)
  end
  rows[#rows + 1] = all(300)
  rows[#rows + 1] = all(0)
end

return rows
