-- SPDX-License-Identifier: MIT

-- A control byte in a URL or a header made an HTTP cache's exchange with the origin fail. So three
-- such requests of a client opened the group's breaker. A URL with "#", or with the byte that marks
-- variants, was kept under a key of its own, and a change of the URL did not remove it.

local http = require "support.http"
local site = require "node.site"

local ORIGIN = [[
return function(request, c)
  local body = request.target
  c:send(("HTTP/1.1 200 X\r\nContent-Length: %d\r\nCache-Control: max-age=600\r\n\r\n%s")
    :format(#body, body))
end
]]

describe("a client of an HTTP cache with control bytes", function()
  local n, stop

  setup(function() n, stop = site.start(ORIGIN, "{ breaker = 3 }") end)
  teardown(function() stop() end)

  local function status(target, header)
    local c = n:connect()
    c:send(("GET /cache/site%s HTTP/1.1\r\nHost: h\r\n%sConnection: close\r\n\r\n"):format(target,
      header or ""))
    local line = c:receive "*l"
    c:close()
    return tonumber(line:match "^HTTP/1.1 (%d+)")
  end

  it("is refused, and the origin is asked as before", function()
    for _, target in ipairs { "/a\tb", "/a\1b", "/a\127b", "/a#b", "/a?b#c" } do
      assert.equal(400, status(target), target)
    end
    for _, header in ipairs { "X: a\1b\r\n", "X: \127\r\n", "X: a\r\nX: \27\r\n" } do
      for _ = 1, 3 do
        assert.equal(400, status("/b", header), header)
      end
    end
    assert.equal(200, status("/b", "X: a\tb\255\r\n"))
    assert.equal("/b", http.request { port = n.port, target = "/cache/site/b" }.body)
  end)
end)
