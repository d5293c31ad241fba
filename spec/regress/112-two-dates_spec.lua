-- SPDX-License-Identifier: MIT

-- An answer that ends its connection had two headers Date if the value brought one: libmicrohttpd
-- added its own.

local site = require "node.site"

local ORIGIN = [[
return function(_, c)
  c:send "HTTP/1.1 200 X\r\nContent-Length: 1\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\na"
end
]]

describe("an answer that ends its connection", function()
  local n, stop

  setup(function() n, stop = site.start(ORIGIN) end)
  teardown(function() stop() end)

  it("has the value's Date alone", function()
    local c, dates = n:connect(), {}
    c:send("POST /cache/site/a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
      .. "1\r\na\r\n0\r\n\r\n")
    for line in function() return c:receive "*l" end do
      dates[#dates + 1] = line:lower():match "^date: (.*)$"
    end
    c:close()
    assert.same({ "sun, 06 nov 1994 08:49:37 gmt" }, dates)
  end)
end)
