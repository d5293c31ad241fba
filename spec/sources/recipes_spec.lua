-- SPDX-License-Identifier: MIT

-- docs/recipes.md: its scripts run before real servers, and its commands print what the page says.

local fake = require "node.fake"
local node = require "support.node"
local pages = require "support.pages"
local postgres = require "sources.postgres"
local process = require "support.process"
local rig = require "node.rig"

local PAGE = "docs/recipes.md"

local only_with_postgres = require "sources.with"(postgres, it, function(why) pending(why) end)

-- Runs the page's commands against the node: each prints what stands behind it.
local function try(name, n, env)
  local text = pages.named(PAGE, "sh", name)
  env = env or {}
  env.http_proxy, env.HTTP_PROXY = false, false
  local out = process.run { "sh", "-ec", (text:gsub("127%.0%.0%.1:8080", "127.0.0.1:" .. n.port)),
    env = env }
  assert.equal(0, out.code, out.stderr)
  local got = {}
  for line in out.stdout:gmatch "[^\r\n]+" do
    got[#got + 1] = line
  end
  assert.same(pages.said(text), got)
end

describe("the recipe for PostgreSQL", function()
  only_with_postgres("serves rows as JSON, and forgets those that the application names", function()
    local server = postgres.start()
    server:query "CREATE TABLE users (id int PRIMARY KEY, name text)"
    server:query "INSERT INTO users VALUES (1, 'Ann'), (2, 'Bob')"
    local n = node.start { script = pages.named(PAGE, "lua", "postgres.lua"),
      env = { DATABASE = server.address } }
    try("change.sh", n, { DATABASE = server.address })
    for _, key in ipairs { "1 OR 1=1", "", "-1", "1;DROP TABLE users" } do
      assert.equal(404, assert(n:get("users", key)).status)
    end
    assert.equal("application/json", assert(n:get("users", "2")).headers["content-type"])
    assert.equal(0, server:stop())
    assert.equal(200, assert(n:get("users", "2")).status)
    assert.equal(502, assert(n:get("users", "3")).status)
    server:start()
    assert.equal(404, assert(n:get("users", "4")).status)
    rig.stop(n)
    assert.equal(0, server:stop())
  end)
end)

describe("the recipe for a REST API", function()
  it("keeps answers as long as the API allows", function()
    local api = fake.start [[
      local answers = {
        ["/users/1?fields=name"] = { 200, '{"name":"Ann"}\n', "Cache-Control: max-age=100" },
        ["/a%20b/c?q=x%20y%2B&r="] = { 200, "odd", "Cache-Control: s-maxage=7, max-age=100" },
        ["/private"] = { 200, "mine", "Cache-Control: private" },
        ["/silent"] = { 200, "s", "X: y" },
        ["/broken"] = { 500, "no", "X: y" },
      }
      return function(request, c)
        local a = answers[request.target] or { 404, "?", "X: y" }
        c:note(request.target)
        local head = ("HTTP/1.1 %d Status\r\n%s\r\n"):format(a[1], a[3])
        c:send(("%sContent-Length: %d\r\n\r\n%s"):format(head, #a[2], a[2]))
      end
    ]]
    local n = node.start { script = pages.named(PAGE, "lua", "rest.lua"),
      env = { ORIGIN = api.url } }
    try("rest.sh", n)
    local function get(target)
      local res = assert(n:request { target = "/cache/api" .. target })
      return { res.status, res.status == 200 and res.body or nil,
        tonumber((res.headers["cache-control"] or ""):match "max%-age=(%d+)") }
    end
    local status, body, kept = unpack(get "/users/1?fields=name")
    assert.same({ 200, '{"name":"Ann"}\n' }, { status, body })
    assert.is_true(kept > 80 and kept <= 100)
    assert.equal("odd", get "/a%20b/c?q=x%20y%2B&r="[2])
    assert.is_true(get "/a%20b/c?q=x%20y%2B&r="[3] <= 7)
    assert.is_true(get "/silent"[3] <= 30)
    assert.same({ 502 }, get "/broken")
    assert.same({ "mine", "mine" }, { get "/private"[2], get "/private"[2] })
    local asked = 0
    for _, line in ipairs(api:requests()) do
      asked = asked + (line == "GET /private" and 1 or 0)
    end
    assert.equal(2, asked)
    rig.stop(n)
    api:stop()
  end)
end)
