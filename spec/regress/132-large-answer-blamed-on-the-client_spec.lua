-- SPDX-License-Identifier: MIT

-- The headers of an origin's answer did not fit beside those of the request. The client was told
-- that its own headers were too large (431), and over TLS it got no answer at all.

local certs = require "support.certs"
local eventually = require "support.eventually"
local fake = require "node.fake"
local node = require "support.node"
local process = require "support.process"

local ORIGIN = [[
return function(request, c)
  c:send("HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nContent-Length: 4\r\nX-Large: "
    .. ("x"):rep(tonumber(request.target:match "%d+")) .. "\r\n\r\ngood")
end
]]

local SCRIPT = [[
local groupcache = require "groupcache"
groupcache.group("site", groupcache.http.cache(os.getenv "ORIGIN"))
]]

describe("an answer with large headers", function()
  local origin, n

  after_each(function()
    n:stop()
    origin:stop()
  end)

  for name, over_tls in pairs { ["without TLS"] = false, ["over TLS"] = true } do
    it("is given, or is a failure of the origin, " .. name, function()
      local ca = certs.ca "large answers"
      local own = over_tls and ca:issue()
      origin = fake.start(ORIGIN)
      n = node.start { script = SCRIPT, env = { ORIGIN = origin.url },
        tls = own and { cert = own.cert, key = own.key, ca = ca.path } }
      local function ask(path)
        local r = process.run { "curl", "-sS", "-w", "%{http_code}", "--cacert", ca.path,
          n.url .. path }
        assert.equal(0, r.code, r.stderr)
        return r.stdout
      end
      for _ = 1, 2 do -- from the origin, and from the cache
        assert.equal("good200", ask "/cache/site/8000")
        local text = ask "/cache/site/99000"
        assert.matches("502$", text)
        assert.matches('"error":"the headers of the answer are too large', text, 1, true)
      end
      eventually(function()
        return n:log():find('msg="refused a request" status=502', 1, true)
      end, 10, "the refusal is in the log")
    end)
  end
end)
