-- SPDX-License-Identifier: MIT

-- The memory of a getter's or a program's gets was bounded by its values alone. With long keys it
-- grew past every bound of the node, and of the group.

local http = require "support.http"
local node = require "support.node"
local programs = require "api.program"

-- Keys of 50,000 bytes, of which the cache holds few; all of them stay where they are.
local ASK = [[
  local keys = {}
  for i = 1, 400 do
    keys[i] = ("k"):rep(50000) .. i
    for _ = 1, 2 do assert(store:get(keys[i]) == "v") end
  end
]]

describe("keys", function()
  it("count as part of what getters remember", function()
    local n = node.start { args = { "--workers", "1" }, script = [[
      local groupcache = require "groupcache"
      local store = groupcache.group("store", { cache_bytes = 1e6,
        getter = function() return "v" end })
      groupcache.group("ask", { timeout = 60, getter = function() ]] .. ASK .. [[ return "ok" end })
    ]] }
    assert.equal("ok", assert(http.request { url = n.url .. "/cache/ask/k", timeout = 60 }).body)
    local s = n:stats().groups.store
    assert(s.remembered_bytes <= 300000, s.remembered_bytes)
    assert.equal(0, n:stop())
  end)

  it("count as part of what a program remembers", function()
    local out = programs.run([[
      local path = os.tmpname()
      local f = io.open(path, "w")
      f:write('require "groupcache".group("store", { cache_bytes = 1e6, getter = function() ' ..
        'return "v" end })')
      f:close()
      local n = assert(groupcache.start { script = path, listen = "127.0.0.1:0", workers = 1 })
      os.remove(path)
      local store = n:group "store"
      ]] .. ASK .. [[
      say(n:stats().groups.store.remembered_bytes)
    ]], { logs = true })
    assert(tonumber(out) <= 4.5 * 1024 * 1024, out)
  end)
end)
