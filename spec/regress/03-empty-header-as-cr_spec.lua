-- SPDX-License-Identifier: MIT

-- A header without a value reached the getter as a carriage return.

local fake = require "node.fake"
local node = require "support.node"

describe("a header without a value", function()
  it("is an empty string to the getter", function()
    local origin = fake.start [[
      return function(_, c)
        c:send "HTTP/1.1 200 OK\r\nX-None:\r\nX-Spaces:   \r\nX-One: 1\r\nContent-Length: 0\r\n\r\n"
      end
    ]]
    local n = node.start { script = [[
      local http = require "groupcache.http"
      require("groupcache").group("headers", {
        getter = function(url)
          local h = assert(http.get(url)).headers
          return ("[%s] [%s] [%s]"):format(h["x-none"], h["x-spaces"], h["x-one"])
        end,
      })
    ]] }
    local res = assert(n:get("headers", origin.url .. "/"))
    n:stop()
    origin:stop()
    assert.equal("[] [] [1]", res.body)
  end)
end)
