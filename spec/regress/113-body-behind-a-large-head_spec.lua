-- SPDX-License-Identifier: MIT

-- A request whose head has over 4 KB, or cookies over 2 KB, moves to a connection with more memory.
-- The bytes of its body that came with the head were lost, and the client waited for its deadline.
-- With very many cookies PATCH and OPTIONS were 400, since such a move knew no other method.

local site = require "node.site"
local versions = require "support.versions"

local ORIGIN = [[
return function(request, c)
  c:send(("HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\n%s"):format(#request.body, request.body))
end
]]

describe("a request with a large head", function()
  local n, stop

  setup(function() n, stop = site.start(ORIGIN) end)
  teardown(function() stop() end)

  local function send(method, headers, body, pause)
    local c = n:connect()
    local length = body and ("Content-Length: %d\r\n"):format(#body) or ""
    c:send(("%s /cache/site/a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n%s%s\r\n%s"):format(
      method, length, headers, pause and "" or body or ""))
    if pause then
      for byte in body:gmatch "." do
        c:send(byte)
      end
    end
    local all = c:receive "*a"
    c:close()
    return tonumber(all:match "^HTTP/1.1 (%d+)"), all:match "\r\n\r\n(.*)$"
  end

  local function headers(bytes)
    return ("X-%s: 1\r\n"):format(("a"):rep(90)):rep(math.ceil(bytes / 98))
  end

  it("keeps a body that comes with it, or behind it", function()
    for bytes = 500, 9000, 500 do
      assert.same({ 200, "a\0b" }, { send("POST", headers(bytes), "a\0b") }, bytes)
    end
    local long = ("b"):rep(300000)
    assert.same({ 200, long }, { send("PUT", headers(5000), long) })
    assert.same({ 200, "abcd" }, { send("PUT", headers(5000), "abcd", true) })
    assert.same({ 200, "ab" }, { send("POST", "Cookie: a=" .. ("c"):rep(3000) .. "\r\n", "ab") })
  end)

  it("has all methods, and an answer at once if it has more cookies than can be read", function()
    local cookies = "Cookie: " .. ("a=b; "):rep(1000) .. "\r\n"
    for _, method in ipairs { "GET", "PATCH", "OPTIONS" } do
      assert.equal(200, (send(method, cookies)), method)
    end
    -- libmicrohttpd 0.9 keeps each cookie a second time.
    local wanted = versions.at_least("libmicrohttpd", "1.0") and 200 or 431
    assert.equal(wanted, (send("POST", cookies, "ab")))
  end)
end)
