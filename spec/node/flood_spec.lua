-- SPDX-License-Identifier: MIT

-- Keys that were made to collide in some table cost a node no more than others do. Our tables are
-- keyed: spec/unit/hash_spec.lua, spec/unit/lru_spec.lua. LuaJIT has a table of strings, where all
-- keys and values of getters are.

local cjson = require "cjson"
local node = require "support.node"
local rig = require "node.rig"

local LISTS, KEYS = 30, 1000

describe("keys that were made to collide", function()
  local n

  before_each(function()
    n = node.start { script = [[
      require("groupcache").group("g", { getter = function(key) return key end })
    ]], args = { "--workers", "1" } }
  end)

  after_each(function()
    rig.stop(n)
  end)

  -- Seconds of the processor that the node has used.
  local function used()
    local f = assert(io.open(("/proc/%s/stat"):format(n.process.pid)))
    local user, system = f:read("*l"):match "%) %S (.*)$":match(("%S+ "):rep(10) .. "(%S+) (%S+)")
    f:close()
    return (user + system) / 100
  end

  -- What it costs to load these keys, and to get each of them again.
  local function cost(key_of)
    local before = used()
    for _ = 1, 2 do
      for list = 1, LISTS do
        local keys = {}
        for i = 1, KEYS do
          keys[i] = key_of((list - 1) * KEYS + i)
        end
        local res = assert(n:request { method = "POST", target = "/cache/g",
          body = cjson.encode(keys), timeout = 60 })
        assert.equal(200, res.status)
      end
    end
    return used() - before
  end

  -- LuaJIT's usual hash of a string looks at the length and at bytes 0-3, 15-18, 30-33 and 60-63 of
  -- these. It takes another for strings whose chain in the table is long.
  it("in LuaJIT's table of strings cost a getter what others do", function()
    local common = cost(function(i) return ("%010d"):format(i):rep(6) .. "tail" end)
    local made = cost(function(i)
      return ("a"):rep(40) .. ("%010d"):format(i) .. ("b"):rep(14)
    end)
    assert(made < 3 * common + 0.5, ("%.2f s, other keys %.2f s"):format(made, common))
  end)

  it("in a head are as many as fit, and each costs the same", function()
    local before = used()
    for i = 1, 200 do
      local headers = {}
      for k = 1, 60 do
        headers["X-" .. ("a"):rep(20) .. ("%02d"):format(k)] = tostring(i)
      end
      assert.equal(200, assert(n:get("g", "k", { headers = headers })).status)
    end
    assert(used() - before < 1)
  end)
end)
