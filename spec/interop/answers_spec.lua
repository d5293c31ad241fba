-- SPDX-License-Identifier: MIT

-- A Go node gets the bytes of a value from a node of ours, whatever stands beside them there, and
-- however they are kept.

local golang = require "interop.golang"
local node = require "support.node"
local ports = require "support.ports"

local SCRIPT = [[
require("groupcache").group("interop", { compress = "gzip", getter = function(key)
  return { body = ("v:" .. key):rep(1000), content_type = "text/plain", ttl = 600,
    headers = { etag = '"1"', link = { "</a>", "</b>" } }, tags = { "a", "b" },
    stale_while_revalidate = 5 }
end })
]]

describe("a Go node", function()
  it("gets the bytes of a value with headers, tags and a compressed form", function()
    local go, port = golang.start(), ports.free()
    local urls = { go.url, "http://127.0.0.1:" .. port }
    go:set_peers(urls)
    local ours = node.start { port = port, peers = urls, script = SCRIPT }
    finally(function()
      go:kill9()
      ours:stop()
    end)
    local key = go:key_owned_by(ours.url, "table%d")
    local value = ("v:" .. key):rep(1000)
    for _ = 1, 2 do -- loaded, and from the cache
      local answer = ours:request { target = "/_groupcache/interop/" .. key }
      assert.same({ 200, "application/x-protobuf" },
        { answer.status, answer.headers["content-type"] })
      local bytes = #value < 16384 and 2 or 3 -- of its length
      assert.equal(1 + bytes + #value, #answer.body) -- field 1, and no other
      assert.equal("\10", answer.body:sub(1, 1))
      assert.equal(value, answer.body:sub(2 + bytes))
    end
    assert.equal(value, assert(go:get(key)))
    assert.same({}, go:loads())
    local ours_too = assert(ours:get("interop", key))
    assert.same({ value, '"1"', "</a>, </b>" },
      { ours_too.body, ours_too.headers.etag, ours_too.headers.link })
  end)
end)
