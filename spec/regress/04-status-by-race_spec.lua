-- SPDX-License-Identifier: MIT

-- An exchange that runs out of time ends at the very moment of its getter's deadline. Which came
-- first decided between 504 and a 502 that spoke of the exchange.

local cjson = require "cjson"
local fake = require "node.fake"
local http = require "support.http"
local node = require "support.node"

describe("a getter whose origin does not answer", function()
  it("is late, always, whether it returns the error or throws it", function()
    local origin = fake.start "return function(_, c) c:sleep(1000) end"
    local n = node.start { script = [[
      local http = require "groupcache.http"
      require("groupcache").group("late", {
        timeout = 0.1,
        getter = function(url)
          if url:find "throw" then return assert(http.get(url)).body end
          return http.get(url)
        end,
      })
    ]] }
    local requests = {}
    for i = 1, 400 do
      local url = ("%s/%s/%d"):format(origin.url, i % 2 == 0 and "throw" or "return", i)
      requests[i] = { port = n.port, target = "/cache/late/" .. http.escape(url) }
    end
    local results = http.parallel(requests, 40)
    n:stop()
    origin:stop()
    for _, res in ipairs(results) do
      assert.equal(504, res.status, res.body or res.err)
      assert.equal("TIMEOUT", cjson.decode(res.body).code)
    end
  end)
end)
