-- SPDX-License-Identifier: MIT

-- The key of an HTTP cache was put behind the origin's host as it was. So "0@other.example/", which
-- a script or a request to the peers' path may name, was a URL of another host.

local fake = require "node.fake"
local http = require "support.http"
local node = require "support.node"

local OTHER = [[
return function(_, c)
  c:send "HTTP/1.1 200 X\r\nContent-Length: 6\r\nCache-Control: max-age=600\r\n\r\nsecret"
end
]]

local SCRIPT = [[
local groupcache = require "groupcache"
groupcache.group("site", groupcache.http.cache("http://127.0.0.1:9"))
]]

describe("a key of an HTTP cache", function()
  local other, n

  setup(function()
    other = fake.start(OTHER)
    n = node.start { script = SCRIPT }
  end)

  teardown(function()
    n:stop()
    other:stop()
  end)

  it("names no other host than the origin", function()
    local host = other.url:match "//(.*)$"
    for _, key in ipairs { "9@" .. host .. "/", "pass:0 9@" .. host .. "/", "", "\1" } do
      local path = key:gsub("[^%w]", function(c) return ("%%%02X"):format(c:byte()) end)
      local res = http.request { port = n.port, target = "/_groupcache/site/" .. path }
      assert.is_nil(res.body:find "secret", key)
      assert.not_equal(200, res.status)
    end
    assert.same({}, other:requests())
  end)
end)
