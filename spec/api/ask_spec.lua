-- SPDX-License-Identifier: MIT

-- What groupcache.http makes of a request, and when it sends one again.

local ask = require "groupcache.ask"
local cjson = require "cjson"
local fake = require "node.fake"
local node = require "support.node"
local rig = require "node.rig"

describe("a request of http", function()
  local function url(query, base)
    local r, wrong = ask.expand { url = base or "http://a/b", query = query }
    return r and r.url, wrong
  end

  it("has its query in the URL, sorted and escaped", function()
    assert.equal("http://a/b?a=x%20y%26&b=1&b=2&c=true", url { c = true, b = { 1, 2 }, a = "x y&" })
    assert.equal("http://a/b?z=1&a=2", url({ a = 2 }, "http://a/b?z=1"))
    assert.equal("http://a/b?a=2#f", url({ a = 2 }, "http://a/b#f"))
    assert.equal("http://a/b", url {})
    assert.matches("query has names", select(2, url { a = { {} } }))
    assert.matches("query has names", select(2, url { "x" }))
  end)

  it("has its table as a body of JSON", function()
    local r = assert(ask.expand { url = "http://a/", json = { n = 1 } })
    assert.same({ url = "http://a/", method = "POST", body = '{"n":1}',
      headers = { ["Content-Type"] = "application/json" } }, r)
    r = assert(ask.expand { url = "http://a/", method = "PUT", json = { 1 },
      headers = { ["content-type"] = "x" } })
    assert.same({ "PUT", "[1]", { ["content-type"] = "x" } }, { r.method, r.body, r.headers })
    assert.matches("two bodies", select(2, ask.expand { url = "u", json = {}, body = "b" }))
    assert.matches("^json: ", select(2, ask.expand { url = "u", json = { print } }))
  end)

  it("is shown without its password", function()
    for given, shown in pairs { ["http://a:b@c/x@y"] = "http://c/x@y", ["https://a@c?@"] =
      "https://c?@", ["http://c/a:b@d"] = "http://c/a:b@d", ["http://a@b:x@c/"] = "http://c/" } do
      assert.equal(shown, ask.shown(given))
    end
  end)

  it("is repeated when that is safe and of use, with longer and longer pauses", function()
    local function pause(method, status, code, round, after)
      return ask.pause({ method = method }, status and { status = status,
        headers = { ["retry-after"] = after } }, code, round or 1)
    end
    for _, status in ipairs { 429, 502, 503, 504 } do
      assert.is_number(pause("GET", status))
      assert.is_nil(pause("POST", status))
    end
    for _, status in ipairs { 200, 301, 404, 500 } do
      assert.is_nil(pause(nil, status))
    end
    assert.is_number(pause("PUT", nil, "PEER"))
    assert.is_number(pause("DELETE", nil, "TIMEOUT"))
    for _, code in ipairs { "TOOBIG", "INVAL", "NOMEM", "CLOSED" } do
      assert.is_nil(pause("GET", nil, code))
    end
    for round = 1, 10 do
      local most = math.min(0.1 * 2 ^ (round - 1), 5)
      local s = pause("GET", 503, nil, round)
      assert.is_true(s >= most / 2 and s <= most, s)
    end
    assert.equal(3, pause("GET", 503, nil, 1, "3"))
    assert.equal(60, pause("GET", 503, nil, 1, "86400"))
  end)
end)

describe("http in a getter", function()
  local n, origin

  after_each(function()
    rig.stop(n)
    if origin then
      origin:stop()
    end
    n, origin = nil, nil
  end)

  -- An origin that answers the first two requests of a connection's path with 503.
  local ORIGIN = [[
    local seen = 0
    return function(request, c)
      local path = request.target
      local status, body = "200 OK", '{"path":"' .. path .. '"}'
      if path:find "^/flaky" then
        seen = seen + 1
        if seen % 3 ~= 0 then status, body = "503 Later", "later" end
      elseif path == "/none" then
        status, body = "404 None", "none"
      elseif path == "/text" then
        body = "no json"
      end
      c:send("HTTP/1.1 " .. status .. "\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body)
    end
  ]]

  local SCRIPT = [[
    local groupcache = require "groupcache"
    local http = require "groupcache.http"
    local base = "http://127.0.0.1:" .. os.getenv "ORIGIN"
    groupcache.group("g", { getter = function(key)
      local path, retries = key:match "^(%S+) (%d+)$"
      local res, err, code = http.get(base .. path, { retries = tonumber(retries),
        query = { q = "a b" } })
      if not res then return nil, err, code end
      return res.status .. " " .. res.body
    end })
    groupcache.group("json", { codec = "json", getter = function(key)
      return http.json(base .. key)
    end })
  ]]

  before_each(function()
    origin = fake.start(ORIGIN)
    n = node.start { script = SCRIPT, args = { "--workers", 1 },
      env = { ORIGIN = tostring(origin.port) } }
  end)

  it("repeats what fails for now", function()
    assert.equal('200 {"path":"/flaky?q=a%20b"}', assert(n:get("g", "/flaky 2")).body)
    assert.equal("503 later", assert(n:get("g", "/flaky 1")).body)
  end)

  it("gives JSON decoded, or the error", function()
    assert.same({ path = "/x" }, cjson.decode(assert(n:get("json", "/x")).body))
    assert.equal(404, assert(n:get("json", "/none")).status)
    local res = assert(n:get("json", "/text"))
    assert.equal(502, res.status)
    assert.matches("the body is no JSON", res.body)
  end)
end)
