-- SPDX-License-Identifier: MIT

-- A peer's X-Groupcache-Ttl of -1 was read as the largest number there is: the value was kept for
-- 49 days. A time that is no number means that the value is not kept.

local fake = require "node.fake"
local node = require "support.node"
local ports = require "support.ports"
local rig = require "node.rig"

local SCRIPT = [[
require("groupcache").group("g", { hot = "always", getter = function() return "here" end })
]]

describe("a value of a peer", function()
  local f, n, peers

  setup(function()
    f = fake.start [[
      return function(request, c)
        -- A peer that is slow is asked whether it lives, without a key.
        local ttl = request.target:match "ttl(.-)end" or "0"
        ttl = ttl:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
        c:send("HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nX-Groupcache-Ttl: "
          .. ttl .. "\r\nContent-Length: 7\r\n\r\n\10\5there")
      end
    ]]
    local port = ports.free()
    peers = { "http://127.0.0.1:" .. port, f.url }
    n = node.start { script = SCRIPT, port = port, peers = peers }
  end)

  teardown(function()
    rig.stop(n)
    f:stop()
  end)

  local function is_kept(ttl)
    local key = rig.owned_by(peers, f.url, "ttl" .. ttl .. "end")
    local first = assert(n:get("g", key))
    assert.same({ 200, "there" }, { first.status, first.body })
    return assert(n:get("g", key)).headers["x-cache"] == "hot"
  end

  it("is kept for a number of milliseconds, however large", function()
    for _, ttl in ipairs { "60000", "060000", "18446744073709551615", "99999999999999999999999" } do
      assert.is_true(is_kept(ttl), ttl)
    end
  end)

  it("is not kept when that is no number", function()
    for _, ttl in ipairs { "-1", "-0", "+60000", "60000 ms", "60000x", "0x7fffffff", "6e4",
      "60000.5", "", "abc", "60000, 60000", "0" } do
      assert.is_false(is_kept(ttl), ttl)
    end
  end)
end)
