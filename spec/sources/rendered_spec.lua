-- SPDX-License-Identifier: MIT

-- examples/rendered.lua before an nginx with the files of an API.

local nginx = require "support.nginx"
local node = require "support.node"
local rig = require "node.rig"
local tmp = require "support.tmp"

describe("examples/rendered.lua", function()
  local root, origin, n

  setup(function()
    root = tmp.dir() .. "/"
    tmp.write(root .. "articles/17", '{"title":"A < B","text":"{{title}} & more","author":"3"}')
    tmp.write(root .. "articles/18", '{"title":"Other","text":"x","author":4}')
    tmp.write(root .. "authors/3", '{"name":"Ada"}')
    tmp.write(root .. "authors/4", '{"name":"Bob"}')
    origin = nginx.start { root = root }
    n = node.start { script = "examples/rendered.lua", env = { API = origin.url } }
  end)

  teardown(function()
    rig.stop(n)
    origin:stop()
  end)

  it("makes a page once, with what an API says escaped", function()
    for _ = 1, 2 do
      local res = assert(n:get("articles", "17"))
      assert.equal("text/html; charset=utf-8", res.headers["content-type"])
      assert.equal("max-age=60", res.headers["cache-control"])
      assert.matches("<h1>A &lt; B</h1>\n<p>by Ada\n<p>{{title}} &amp; more\n", res.body, 1, true)
    end
    assert.equal(2, #origin:requests(2))
    assert.equal(404, assert(n:get("articles", "19")).status)
  end)

  it("makes the pages of an author anew when they are removed", function()
    assert.matches("by Bob", assert(n:get("articles", "18")).body)
    tmp.write(root .. "authors/3", '{"name":"Eve"}')
    tmp.write(root .. "authors/4", '{"name":"Dan"}')
    local res = assert(n:request { method = "POST", target = "/cache/articles",
      body = '{"remove_tags": ["author:3"]}' })
    assert.equal(204, res.status)
    assert.matches("by Eve", assert(n:get("articles", "17")).body)
    assert.matches("by Bob", assert(n:get("articles", "18")).body)
  end)
end)
