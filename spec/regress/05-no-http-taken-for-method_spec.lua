-- SPDX-License-Identifier: MIT

-- Bytes that are no HTTP, such as a TLS client's hello, were taken for a method that is not served:
-- the connection stayed open, and what followed was read as the next request.

local http = require "support.http"
local node = require "support.node"

describe("bytes that are no method", function()
  it("end the connection with one 400", function()
    local n = node.start { script = [[
      require("groupcache").group("g", { getter = function(key) return "v:" .. key end })
    ]] }
    local answers = {}
    for i, bytes in ipairs { "G\1T", "\22\3\1\2", "G(T", "\195\156" } do
      answers[i] = { http.raw(n.host, n.port, bytes .. " / HTTP/1.1\r\nHost: x\r\n\r\n"
        .. "GET /cache/g/behind HTTP/1.1\r\nHost: x\r\n\r\n") }
    end
    n:stop()
    for _, answer in ipairs(answers) do
      assert.matches("^HTTP/1.1 400 ", answer[1])
      assert.is_nil(answer[1]:find("behind", 1, true))
      assert.equal("closed", answer[2])
    end
  end)
end)
