-- SPDX-License-Identifier: MIT

-- A getter that computed for ever held its VM until its deadline, and all others of that VM ended
-- as late as it did. It is set aside while others wait.

local http = require "support.http"
local node = require "support.node"
local socket = require "socket"

local SLOW = os.getenv "SAN" or os.getenv "GROUPCACHED_WRAP"

describe("quick getters behind getters that loop", function()
  it("answer before these end", function()
    local n = node.start { args = { "--workers", "2" }, script = ([[
      local groupcache = require "groupcache"
      groupcache.group("loops", { timeout = %d, getter = function() while true do end end })
      groupcache.group("quick", { timeout = %d, getter = function(key) return "q:" .. key end })
    ]]):format(SLOW and 20 or 3, SLOW and 60 or 3) }
    local ended, quick, fns = math.huge, {}, {} -- the first loop; the others; what runs
    for i = 1, 4 do
      fns[i] = function()
        assert.equal(504, assert(n:get("loops", "k" .. i, { timeout = 90 })).status)
        ended = math.min(ended, socket.gettime())
      end
    end
    for i = 5, 8 do
      fns[i] = function()
        assert.equal("q:k" .. i, assert(n:get("quick", "k" .. i, { timeout = 90 })).body)
        quick[#quick + 1] = socket.gettime()
      end
    end
    http.together(fns)
    for i = 1, 4 do
      assert(quick[i] < ended, ("%.2f s after a loop"):format(quick[i] - ended))
    end
    assert.equal(0, (n:stop()))
  end)
end)
