-- SPDX-License-Identifier: MIT

-- A value of a group alone had a stale_while_revalidate of its own. A get of the stale value began
-- a load in the background, which nobody ran: later gets of the key waited for it for ever.

local groupcache = require "groupcache"
local socket = require "socket"

describe("a group alone whose value may be used while it is loaded anew", function()
  it("loads it in the get that finds it stale", function()
    local loads = 0
    local g = groupcache.group("g", { getter = function()
      loads = loads + 1
      return { body = "v" .. loads, ttl = loads == 1 and 0.001 or 60, stale_while_revalidate = 60 }
    end })
    assert.same({ "v1", nil, "local" }, { g:get "k" })
    local since = groupcache.now()
    while groupcache.now() < since + 0.002 do
      socket.sleep(0.001)
    end
    assert.same({ "v2", nil, "local" }, { g:get "k" })
    assert.same({ "v2", nil, "main" }, { g:get "k" })
  end)
end)
