-- SPDX-License-Identifier: MIT

-- examples/tenants.lua before an nginx that says what it was asked for.

local nginx = require "support.nginx"
local node = require "support.node"
local rig = require "node.rig"

describe("examples/tenants.lua", function()
  local origin, n

  setup(function()
    origin = nginx.start { config = [[
      location / { default_type text/plain; return 200 "$uri page=$arg_page for a $arg_device"; }
      location /red/none { return 404; }
    ]] }
    n = node.start { script = "examples/tenants.lua", env = { API = origin.url } }
  end)

  teardown(function()
    rig.stop(n)
    origin:stop()
  end)

  local function ask(target, host, agent)
    return assert(n:request { target = "/cache/pages" .. target,
      headers = { Host = host, ["User-Agent"] = agent } })
  end

  it("asks the service once for a page, however its path is spelt", function()
    for _, target in ipairs { "/news/today?page=2", "/News//today/?page=2&utm=7",
      "/news/%74oday?page=2" } do
      local res = ask(target, "red.example", "Mozilla/5.0")
      assert.same({ 200, "/red/news/today page=2 for a desk" }, { res.status, res.body })
      assert.equal("user-agent, host", res.headers.vary)
    end
    assert.equal(1, #origin:requests(1))
  end)

  it("keeps sites and devices apart", function()
    assert.equal("/blue/a page=1 for a desk", ask("/a", "BLUE.example:80").body)
    assert.equal("/red/a page=1 for a desk", ask("/a", "red.example").body)
    assert.equal("/red/a page=1 for a phone", ask("/a", "red.example", "Mobile Safari").body)
    assert.equal("/red/ page=1 for a desk", ask("/?page=x", "red.example").body)
  end)

  it("refuses a host that is no site's, and has no page that the service has not", function()
    for _, host in ipairs { "localhost", "127.0.0.1:8080" } do
      local res = ask("/a", host)
      assert.same({ 404, true }, { res.status, res.body:find "no such site" ~= nil })
    end
    assert.equal(404, ask("/none", "red.example").status)
  end)
end)
