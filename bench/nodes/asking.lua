-- SPDX-License-Identifier: MIT
-- Getters that ask for the keys of BENCH_KEYS, a file with one a line, in turn, and say how long
-- that took: the value of a question is a number. Its key is "<seconds>:<anything>". What another
-- node owns is asked of it each time.
local groupcache = require "groupcache"

local KEYS_AT_ONCE = 100

local value = ("x"):rep(100)
local bench = groupcache.group("bench", { hot = "never", getter = function() return value end })

local keys = {}
for key in io.lines(os.getenv "BENCH_KEYS") do
  keys[#keys + 1] = key
end

local function load_all()
  for _, key in ipairs(keys) do
    assert(bench:get(key))
  end
end

local function question(name, answer)
  groupcache.group(name, { timeout = 600, cpu_timeout = 0, local_only = true, getter = function(key)
    load_all()
    return tostring(answer(tonumber(key:match "^[%d.]+"))), nil, 0
  end })
end

-- Calls ask(at) with every hundredth place in the list of keys for so many seconds.
-- -> keys a second
local function keys_a_second(seconds, ask)
  local begin, asked = groupcache.now(), 0
  while groupcache.now() - begin < seconds do
    ask(asked % #keys + 1)
    asked = asked + KEYS_AT_ONCE
  end
  return asked / (groupcache.now() - begin)
end

-- One key after the other.
question("singles", function(seconds)
  return keys_a_second(seconds, function(at)
    for i = at, at + KEYS_AT_ONCE - 1 do
      assert(bench:get(keys[i]))
    end
  end)
end)

-- A hundred at a time.
question("many", function(seconds)
  return keys_a_second(seconds, function(at)
    local wanted = {}
    for i = 1, KEYS_AT_ONCE do
      wanted[i] = keys[at + i - 1]
    end
    local values = bench:get_many(wanted)
    for i = 1, KEYS_AT_ONCE do
      assert(values[wanted[i]], wanted[i])
    end
  end)
end)
