-- SPDX-License-Identifier: MIT
-- The part of gets that are hits when recorded requests are played to the engine's group:
-- `make bench ONLY=trace TRACES=DIR ROUNDS=1`. DIR has files NAME.u32 or NAME.u32.zst. They are the
-- objects that were asked for, in order, as little-endian numbers of 32 bits. The cache has the
-- bytes of 1, 5, 10 and 25 % of the objects; values of 300 bytes, and of 64 to 8192 bytes. All
-- evictions have the same cache_bytes. Then one node beside three nodes with a third of the bytes
-- each, and hot = "rate". Without TRACES there are no such rows.

local lfs = require "lfs"
local program = require "bench.lib.program"

local function part(name, ...)
  local hits = program.run { program.built "trace", ... }
  return { [name] = hits.hits, [name .. "_bytes"] = hits.bytes }
end

local function side(name, path, percent, value)
  return { name = name, round = function()
    return part("hits", path, percent, name, value)
  end }
end

local function row(path, percent, value)
  local sides = {}
  for _, name in ipairs { "adaptive", "lru", "sieve" } do
    sides[#sides + 1] = side(name, path, percent, value)
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
      side("adaptive", path, 10, 300),
    },
    lines = {
      { figure = "hits, %; beside: one node", of = "hits", ours = "three", peer = "adaptive",
        reach = 0.97, better = "more" },
    },
  }
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
    rows[#rows + 1] = cluster(folder .. "/" .. name)
  end
end

return rows
