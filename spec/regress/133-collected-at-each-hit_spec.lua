-- SPDX-License-Identifier: MIT

-- A VM that keeps values of its script in more than three quarters of its heap collected all of it
-- at each hit of group:get and at each load: some 50 ms for a heap of 50 MB.

local node = require "support.node"
local rig = require "node.rig"

local HITS = 2000

local SCRIPT = [[
local groupcache = require "groupcache"

local cycles = 0
local function watch()
  getmetatable(newproxy(true)).__gc = function()
    cycles = cycles + 1
    watch()
  end
end
watch()

local live = {}
local words = groupcache.group("words", { getter = function(key) return key:rep(100) end })

-- -> the collections during so many hits
groupcache.group("hits", { cpu_timeout = 60, timeout = 60, getter = function(key)
  for i = #live + 1, 13 do live[i] = ("x"):rep(4e6) .. i end
  words:get "word"
  collectgarbage()
  local before = cycles
  for _ = 1, tonumber(key) do words:get "word" end
  return tostring(cycles - before), nil, 0
end })

-- -> the collections so far
groupcache.group("cycles", { getter = function() return tostring(cycles), nil, 0 end })
]]

describe("a VM full of live values", function()
  local n

  before_each(function()
    n = node.start { script = SCRIPT, args = { "--workers", 1, "--vm-bytes", 64000000 } }
  end)

  after_each(function()
    rig.stop(n)
  end)

  it("does not collect at each hit", function()
    local cycles = tonumber(assert(n:get("hits", tostring(HITS))).body)
    assert.is_true(cycles < HITS / 20, cycles)
  end)

  it("does not collect at each load", function()
    assert(n:get("hits", "1"))
    local before = tonumber(assert(n:get("cycles", "before")).body)
    for i = 1, 100 do
      assert.equal(200, assert(n:get("cycles", "k" .. i)).status)
    end
    local cycles = tonumber(assert(n:get("cycles", "after")).body) - before
    assert.is_true(cycles < 10, cycles)
  end)
end)
