-- SPDX-License-Identifier: MIT

-- group.get(key) in a getter was reported as a fault of groupcache's own code. With a number for a
-- key, the error was reported to the caller.

local http = require "support.http"
local node = require "support.node"

describe("group:get in a getter, called in a wrong way,", function()
  it("raises at the line of its caller", function()
    local n = node.start { script = [[
      local groupcache = require "groupcache"
      local store = groupcache.group("store", { getter = function(key) return key end })
      groupcache.group("ask", { getter = function()
        local out = { store:get("there") }
        out[1] = select(2, pcall(function() return (store.get("there")) end))
        out[2] = select(2, pcall(function() return (store.get()) end))
        out[3] = select(2, pcall(function() return (store:get(nil)) end))
        out[4] = select(2, pcall(function() return (store:get(7)) end))
        return table.concat(out, "\n")
      end })
    ]] }
    local body = assert(http.request { url = n.url .. "/cache/ask/k" }).body
    assert.equal(([[
node.lua:5: group:get: the key is a nil, and must be a string
node.lua:6: group:get: the key is a nil, and must be a string
node.lua:7: group:get: the key is a nil, and must be a string
node.lua:8: group:get: the key is a number, and must be a string]]),
      (body:gsub("[^\n]*/node.lua", "node.lua")))
    assert.equal(0, n:stop())
  end)
end)
