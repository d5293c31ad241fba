-- SPDX-License-Identifier: MIT

-- The key of an HTTP cache was written behind the origin's URL as it was. A peer's request, which
-- everyone may send by default, for the key "@host:port/" asked that server instead of the origin;
-- ten keys with a space counted as an outage of the origin.

local fake = require "node.fake"
local node = require "support.node"
local rig = require "node.rig"

local ORIGIN = [[
return function(_, c)
  c:send "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nCache-Control: max-age=9\r\n\r\na"
end
]]

describe("an HTTP cache", function()
  local origin, other, n

  setup(function()
    origin, other = fake.start(ORIGIN), fake.start(ORIGIN)
    n = node.start { script = [[
      local groupcache = require "groupcache"
      groupcache.group("site", groupcache.http.cache(os.getenv "ORIGIN", { breaker = 2 }))
    ]], env = { ORIGIN = origin.url } }
  end)

  teardown(function()
    rig.stop(n)
    origin:stop()
    other:stop()
  end)

  it("asks no other server than its origin, whatever the key is", function()
    local place = other.url:match "^http://(.*)$"
    for _, key in ipairs { "@" .. place .. "/a", "%40" .. place .. "%2Fa", ".invalid/a", ":1/a",
      "a", "pass:0%20@" .. place .. "/a", "%2Fa%20b", "%2Fa%0D%0Ab", "%01a" } do
      local res = n:request { target = "/_groupcache/site/" .. key }
      assert.equal("NOTFOUND", res.headers["x-groupcache-code"], key)
    end
    assert.equal(0, #other:requests())
    assert.equal(0, #origin:requests())
  end)

  it("does not take such keys for an outage", function()
    assert.is_false(n:stats().groups.site.breaker_open)
    assert.equal(200, n:request { target = "/cache/site/plain" }.status)
  end)
end)
