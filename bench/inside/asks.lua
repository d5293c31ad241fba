-- SPDX-License-Identifier: MIT

--- The keys of a benchmark and the order in which they are asked for: each draw by itself.
--
--   asks.keys(n)        -> list of n keys, of 12 bytes, as everywhere in the benchmark
--   asks.value(key)     -> 100 bytes that no other key has
--   asks.order(n, law)  -> uint32_t[asks.MANY], places in that list; asks.MANY, a power of two
--
-- Laws: "uniform", each key as often as the next; "zipf", the key at place i by a weight of
-- 1 / i^0.99, as YCSB has it. bench/peers/gopeer/inside.go draws by the same laws.

local ffi = require "ffi"

local EXPONENT = 0.99

local asks = { MANY = 2 ^ 21 }

function asks.keys(n)
  local keys = {}
  for i = 1, n do
    keys[i] = ("k%011d"):format(i)
  end
  return keys
end

function asks.value(key)
  return key .. ("x"):rep(100 - #key)
end

-- place(u) for u in [0, 1): the first place at which the sum of weights exceeds u of them all.
local function by_weight(n)
  local sums, sum = ffi.new("double[?]", n + 1), 0
  for i = 1, n do
    sum = sum + i ^ -EXPONENT
    sums[i] = sum
  end
  return function(u)
    local low, high = 1, n
    while low < high do
      local middle = math.floor((low + high) / 2)
      if sums[middle] > u * sum then
        high = middle
      else
        low = middle + 1
      end
    end
    return low
  end
end

function asks.order(n, law)
  local order = ffi.new("uint32_t[?]", asks.MANY)
  local place = law == "zipf" and by_weight(n) or function(u) return math.floor(u * n) + 1 end
  -- Frequent keys are not neighbours in memory.
  local at = ffi.new("uint32_t[?]", n + 1)
  for i = 1, n do
    at[i] = i
  end
  math.randomseed(1)
  for i = n, 2, -1 do
    local j = math.random(i)
    at[i], at[j] = at[j], at[i]
  end
  for i = 0, asks.MANY - 1 do
    order[i] = at[place(math.random())]
  end
  return order
end

return asks
