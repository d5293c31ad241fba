-- SPDX-License-Identifier: MIT

-- A getter that asked for many large values at once had all of them in memory, gigabytes of them,
-- before its heap refused them. Then it had none.

local cjson = require "cjson.safe"
local node = require "support.node"
local rig = require "node.rig"

local SCRIPT = [[
  local groupcache = require "groupcache"
  local large = groupcache.group("large", { getter = function() return ("x"):rep(1e6) end })
  groupcache.group("sum", { getter = function()
    local keys = {}
    for i = 1, 100 do keys[i] = "k" .. i end
    local values, errors = large:get_many(keys)
    local n, codes, text = 0, {}, nil
    for _, value in pairs(values) do
      n = n + 1
      assert(#value == 1e6)
    end
    for _, e in pairs(errors) do
      codes[e.code] = (codes[e.code] or 0) + 1
      text = e.message
    end
    return ('{"values":%d,"toobig":%d,"text":"%s"}'):format(n, codes.TOOBIG or 0, text)
  end })
  return { workers = 1, http_threads = 1, vm_bytes = "64MiB" }
]]

describe("a get of many values that do not fit into the heap", function()
  it("gives as many as half of the heap has room for, and says TOOBIG of the others", function()
    local n = node.start { script = SCRIPT }
    local res = n:get("sum", "k", { timeout = 60 })
    assert.equal(200, res.status)
    assert.same({ values = 33, toobig = 67, text = "group large: a value of 1000000 bytes: the "
      .. "values of one get_many may have 33554432 bytes, ask for fewer keys at a time" },
      cjson.decode(res.body))
    rig.stop(n)
  end)
end)
