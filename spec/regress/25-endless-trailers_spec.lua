-- SPDX-License-Identifier: MIT

-- The trailers of a chunked answer were read and kept without a bound.

local cjson = require "cjson"
local http = require "support.http"
local node = require "support.node"
local rig = require "node.rig"
local socket = require "socket"

describe("an answer whose trailers do not end", function()
  it("is given up", function()
    local server = assert(socket.bind("127.0.0.1", 0))
    server:settimeout(0)
    local _, port = server:getsockname()
    local n = node.start { script = ([[
      local http = require "groupcache.http"
      require("groupcache").group("g", { timeout = 60, getter = function()
        local res, err, code = http.get("http://127.0.0.1:%d/")
        return res and res.body, err, code
      end })
    ]]):format(port) }
    local answer, sent = nil, 0
    http.together {
      function() answer = assert(n:get("g", "k", { timeout = 60 })) end,
      function()
        local c
        rig.wait(n, function() c = c or server:accept() return c end, 10, "the request")
        c:settimeout(0)
        c:send "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"
        local line = "X-T: " .. ("a"):rep(1000) .. "\r\n"
        rig.wait(n, function()
          for _ = 1, 200 do
            local ok = c:send(line)
            sent = sent + (ok and #line or 0)
          end
          return answer or sent > 50e6
        end, 30, "the end")
        c:close()
      end,
    }
    server:close()
    assert.same({ 502, "PEER" }, { answer.status, cjson.decode(answer.body).code })
    assert.matches("no end", answer.body, 1, true)
    rig.stop(n)
  end)
end)
