-- SPDX-License-Identifier: MIT
-- Getters that ask for keys of a group in the same node, all of which are there. BENCH_KEYS is a
-- file with one a line, BENCH_ORDER one of places in that list, numbers of 4 bytes, little-endian.
--
-- The key of a question is "<seconds>:<part>:<anything>": for how long, and at which part of the
-- order, from 0 to 1, it begins. The answer has the nanoseconds of one hit, then those of processor
-- time of all threads.
local groupcache = require "groupcache"

local BATCH = 1024 -- gets between two looks at the clock
local TOGETHER = 1000
local WARM = 4 -- gets a key until a reader remembers most

local group = groupcache.group("bench", { hot = "never", cache_bytes = "2GB",
  remember_bytes = "1GB",
  getter = function(key) return key .. ("x"):rep(100 - #key) end })

local keys, asked = {}, {} -- each key; the keys in the order in which they are asked for
for key in io.lines(os.getenv "BENCH_KEYS") do
  keys[#keys + 1] = key
end

local function read_order()
  local f = assert(io.open(os.getenv "BENCH_ORDER", "rb"))
  while true do
    local text = f:read(4 * BATCH)
    if not text then
      break
    end
    for i = 1, #text, 4 do
      local a, b, c, d = text:byte(i, i + 3)
      asked[#asked + 1] = keys[a + 256 * (b + 256 * (c + 256 * d))]
    end
  end
  f:close()
end

local function batch(at)
  for i = at + 1, at + BATCH do
    if #group:get(asked[i]) ~= 100 then
      error "another value"
    end
  end
end

local function warm()
  for first = 1, math.max(#asked, WARM * #keys), BATCH do
    batch((first - 1) % #asked)
  end
end

groupcache.background(function()
  for first = 1, #keys, TOGETHER do
    local wanted = {}
    for i = first, math.min(first + TOGETHER - 1, #keys) do
      wanted[#wanted + 1] = keys[i]
    end
    group:get_many(wanted)
  end
end, { ready = true, ready_timeout = 300 })

local function answer(question)
  local seconds, part = question:match "^([%d.]+):([%d.]+):"
  if #asked == 0 then
    read_order()
    warm()
  end
  local at, gets = math.floor(part * #asked / BATCH) * BATCH, 0
  local begin, cpu = groupcache.now(), os.clock()
  while groupcache.now() - begin < tonumber(seconds) do
    batch(at)
    at = (at + BATCH) % #asked
    gets = gets + BATCH
  end
  return ("%.1f %.1f"):format((groupcache.now() - begin) * 1e9 / gets,
    (os.clock() - cpu) * 1e9 / gets), nil, 0
end

groupcache.group("hits", { timeout = 600, cpu_timeout = 0, local_only = true, getter = answer })
