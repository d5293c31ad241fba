-- SPDX-License-Identifier: MIT

-- An HTTP cache gave all clients a page that the origin had made for one client's Host or
-- X-Forwarded-Host: both reached the origin, and were in no key.

local fake = require "node.fake"
local http = require "support.http"
local node = require "support.node"
local rig = require "node.rig"

local SCRIPT = [[
local groupcache = require "groupcache"
groupcache.group("site", groupcache.http.cache(os.getenv "ORIGIN"))
]]

-- A page shows what the origin believes of its own name. /count says how many pages it has made.
local ORIGIN = [[
local made = 0
return function(request, c)
  local h, body = request.headers, tostring(made)
  if request.target ~= "/count" then
    made = made + 1
    body = table.concat({ h["x-forwarded-host"] or "-", h.forwarded or "-",
      h["x-original-url"] or "-", h["x-groupcache-keyed"] or "-" }, "|")
  end
  c:send(("HTTP/1.1 200 OK\r\nCache-Control: max-age=%d\r\nContent-Length: %d\r\n\r\n%s"):format(
    request.target == "/count" and 0 or 3600, #body, body))
end
]]

for _, count in ipairs { 1, 3 } do
  describe(("an HTTP cache of %d node(s)"):format(count), function()
    local origin, nodes, turn

    before_each(function()
      origin = fake.start(ORIGIN)
      nodes = node.cluster(count, { script = SCRIPT, env = { ORIGIN = origin.url } })
      turn = 0
    end)

    after_each(function()
      rig.stop_all(nodes)
      origin:stop()
    end)

    local function get(headers, method)
      turn = turn % count + 1
      return assert(http.request { url = nodes[turn].url .. "/cache/site/page", headers = headers,
        method = method, body = method and "x", timeout = 10 }).body
    end

    local function made()
      return tonumber(assert(http.get(origin.url .. "/count")).body)
    end

    it("keeps what proxies and forgers say of the site apart, on all nodes", function()
      local pages = {
        { { ["X-Forwarded-Host"] = "evil.example" }, "evil.example|-|-|-" },
        { {}, "-|-|-|-" },
        { { ["X-Forwarded-Host"] = "site.example" }, "site.example|-|-|-" },
        { { Forwarded = "host=evil.example" }, "-|host=evil.example|-|-" },
        { { ["x-original-url"] = "/admin" }, "-|-|/admin|-" },
      }
      for _ = 1, 3 * count do
        for _, page in ipairs(pages) do
          assert.equal(page[2], get(page[1]))
        end
      end
      assert.equal(#pages, made())
      assert.equal("-|-|-|-", get { Host = "evil.example" })
      assert.equal("-|-|-|-", get { ["X-Forwarded-For"] = "192.0.2.1" })
      assert.equal("-|-|-|-", get { ["X-Groupcache-Keyed"] = "forged" })
      assert.equal(#pages, made())
    end)

    it("removes all of them at once", function()
      local evil = { ["X-Forwarded-Host"] = "evil.example" }
      get()
      get(evil)
      get({}, "POST")
      local before = made()
      for _ = 1, count do
        get(evil)
        get()
      end
      assert.equal(before + 2, made())
    end)
  end)
end
