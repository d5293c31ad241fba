-- SPDX-License-Identifier: MIT

-- A raw NUL in the target of a request ended the key there: a client got the value of another key
-- than the one it asked for, and two keys shared one entry of the cache.

local http = require "support.http"
local rig = require "node.rig"
local versions = require "support.versions"

-- libmicrohttpd 1.0 closes the connection without an answer, and before it calls us.
local CLOSES = versions.at_least("libmicrohttpd", "1.0")

describe("a raw NUL in a request's target", function()
  local r, n

  setup(function()
    r, n = rig.start [[
      require("groupcache").group("g", { getter = function(key)
        rig.record(key)
        return key
      end })
    ]]
  end)

  teardown(function() rig.stop(n) end)

  for name, target in pairs {
    ["in the key"] = "/cache/g/a\0b",
    ["at its end"] = "/cache/g/a\0",
    ["before a query"] = "/cache/g/a\0?q=1",
    ["in a query"] = "/cache/g/a?q\0=1",
    ["before what looks like the version"] = "/cache/g/a\0HTTP/1.1",
    ["in the path of peers"] = "/_groupcache/g/a\0b",
    ["in another path"] = "/healthz\0",
    ["alone"] = "\0",
  } do
    it(name .. " is refused", function()
      local res, how = n:request { target = target }
      if CLOSES then
        assert.same({ nil, "closed" }, { res, how })
      else
        assert.equal(400, assert(res, how).status)
        assert.matches("raw NUL", res.body, 1, true)
      end
      assert.same({}, r:calls())
    end)
  end

  it("is told from an encoded one, and from a query", function()
    local res = assert(n:request { target = "/cache/g/b%00c" })
    assert.equal(200, res.status)
    assert.truthy(res.body:find("b\0c", 1, true))
    for _, target in ipairs { "/cache/g/b?", "/cache/g/b?q=1&r", "/_groupcache/g/c?x" } do
      assert.matches("query", assert(n:request { target = target }).body, 1, true)
    end
  end)

  it("is seen behind good requests on their connection, which it ends", function()
    local c = assert(http.connect(n.host, n.port))
    for i = 1, 3 do
      assert.equal(200, assert(c:request { target = "/cache/g/d" .. i }).status)
    end
    local res, how = c:request { target = "/cache/g/d1\0" }
    if CLOSES then
      assert.same({ nil, "closed" }, { res, how })
    else
      assert.same({ 400, "close" }, { assert(res, how).status, res.headers.connection })
    end
    c:close()
  end)
end)
