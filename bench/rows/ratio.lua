-- SPDX-License-Identifier: MIT
-- The part of gets that are hits, of the engine's group and of an LRU as in the textbook, which
-- holds as many entries. 100 000 keys; a cache of 1, 5 and 10 % of them. Keys are drawn by Zipf's
-- law with exponents 0.9 and 1.1. A third series has 0.9, and a walk over all keys in every fourth
-- get. The same gets for both, another seed in each round; the first quarter fills the caches and
-- is not counted. Beside it, by how many points of a hundred `eviction = "sieve"` is better.
-- cache_bytes is what so many entries cost; how many fit in the end is asked of the group.

local ffi = require "ffi"
local unit = require "support.unit"

local KEYS, GETS, VALUE = 100000, 400000, ("x"):rep(100)

-- Park and Miller's minimal standard generator: the same gets everywhere.
local function generator(seed)
  local state = seed * 48271 % 2147483647
  return function()
    state = state * 48271 % 2147483647
    return state / 2147483647
  end
end

-- -> function that draws 1..KEYS with weights 1/rank^exponent
local function zipf(exponent, random)
  local sums, sum = ffi.new("double[?]", KEYS + 1), 0
  for rank = 1, KEYS do
    sum = sum + rank ^ -exponent
    sums[rank] = sum
  end
  return function()
    local at, low, high = random() * sum, 1, KEYS
    while low < high do
      local middle = math.floor((low + high) / 2)
      if sums[middle] < at then
        low = middle + 1
      else
        high = middle
      end
    end
    return low
  end
end

local function with_walk(draw)
  local n, at = 0, 0
  return function()
    n = n + 1
    if n % 4 ~= 0 then
      return draw()
    end
    at = at % KEYS + 1
    return at
  end
end

local MIXES = {
  { "Zipf 0.9", function(random) return zipf(0.9, random) end },
  { "Zipf 1.1", function(random) return zipf(1.1, random) end },
  { "Zipf 0.9 and scans", function(random) return with_walk(zipf(0.9, random)) end, 3 },
}

-- A ring of places in order of use; place 0 is its head.
local function textbook(room)
  local newer, older = ffi.new("int[?]", KEYS + 1), ffi.new("int[?]", KEYS + 1)
  local held, count = ffi.new("bool[?]", KEYS + 1), 0
  local function unlink(key)
    newer[older[key]], older[newer[key]] = newer[key], older[key]
  end
  return function(key) -- true: a hit
    local hit = held[key]
    if hit then
      unlink(key)
    elseif count == room then
      local oldest = newer[0]
      unlink(oldest)
      held[oldest] = false
    else
      count = count + 1
    end
    held[key] = true
    newer[key], older[key] = 0, older[0]
    newer[older[0]], older[0] = key, key
    return hit
  end
end

local keys = {}

-- The group of the engine, without loader: a miss is followed by a set.
local function ours(C, cache_bytes, eviction)
  local o, e = ffi.new "struct group_opts", ffi.new "struct error"
  local source, k = ffi.new "enum source[1]", ffi.new "struct key_ref"
  C.group_opts_init(o)
  o.cache_bytes = cache_bytes
  o.eviction = C[eviction or "EVICT_LRU"]
  local g = ffi.gc(C.group_new("bench", "text/plain", o, ffi.new "struct loader"), C.group_unref)
  local function get(i)
    local key = keys[i]
    k.bytes, k.n, k.hash = key, #key, C.group_hash(key, #key)
    local it = C.group_lookup(g, k, 0, source)
    if it ~= nil then
      C.item_unref(it)
      return true
    end
    assert(C.group_set(g, k, VALUE, #VALUE, nil, e) == 0)
    return false
  end
  local s = ffi.new "struct stats"
  local function items()
    C.group_stats(g, s)
    return tonumber(s.main.items)
  end
  local function bytes()
    C.group_stats(g, s)
    return tonumber(s.main.bytes + s.hot.bytes)
  end
  return get, items, bytes
end

-- What so many entries cost, index included.
local function bytes_of(C, entries)
  local get, _, bytes = ours(C, 1e12)
  for i = 1, entries do
    get(i)
  end
  return bytes()
end

local function rate_of(get, gets)
  local hits = 0
  for i = 1, #gets do
    if get(gets[i]) and i > GETS / 4 then
      hits = hits + 1
    end
  end
  return hits / (GETS * 3 / 4)
end

local function compare(mix, part, seed)
  local C = unit.load("cache/group.h", "cache/stats.h", "base/err.h")
  for i = #keys + 1, KEYS do
    keys[i] = ("k%011d"):format(i)
  end
  local draw, gets = mix(generator(seed)), {}
  for i = 1, GETS do
    gets[i] = draw()
  end
  local bytes = bytes_of(C, KEYS * part / 100)
  local get, items = ours(C, bytes)
  local lru = rate_of(get, gets)
  local sieve = rate_of(ours(C, bytes, "EVICT_SIEVE"), gets)
  return { lru = lru, textbook = rate_of(textbook(items()), gets), won = (sieve - lru) * 100 }
end

local rows = {}
for _, mix in ipairs(MIXES) do
  for _, part in ipairs { 1, 5, 10 } do
    rows[#rows + 1] = {
      title = ("hit ratio, %s, cache = %d %% of keys"):format(mix[1], part),
      sides = { { name = "lru", round = function(_, round)
        return compare(mix[2], part, round)
      end } },
      lines = {
        { figure = "hits/gets; beside: a textbook LRU", of = "lru", ours = "lru", peer = "lru",
          peer_of = "textbook", reach = 0.999, better = "more" },
        { figure = "points that sieve wins over lru", of = "won", ours = "lru",
          reach = mix[3] or -0.5, better = "more" },
      },
    }
  end
end

return rows
