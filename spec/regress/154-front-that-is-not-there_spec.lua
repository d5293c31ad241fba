-- SPDX-License-Identifier: MIT

-- A `front` that names no HTTP cache was taken, and every client got 404.

local node = require "support.node"

local SCRIPT = [[
local groupcache = require "groupcache"
groupcache.group("plain", { getter = function() return "" end })
groupcache.group("site", groupcache.http.cache "http://127.0.0.1:9")
]]

describe("a front that is no HTTP cache", function()
  it("keeps a node from starting, and says why", function()
    for _, name in ipairs { "plain", "nothing" } do
      local n = node.start { script = SCRIPT, args = { "--front", name }, ready = false }
      assert.equal(1, (n.process:wait(10)))
      assert.is_string(n:logged(('front is "%s", and must name a group of groupcache.http.cache')
        :format(name)))
    end
    local n = node.start { script = SCRIPT, args = { "--front", "site" } }
    assert.equal(0, n:stop())
  end)
end)
