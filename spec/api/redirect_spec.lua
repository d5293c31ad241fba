-- SPDX-License-Identifier: MIT

-- Redirects that groupcache.http follows, and the addresses that it may not reach.

local cjson = require "cjson"
local fake = require "node.fake"
local node = require "support.node"
local redirect = require "groupcache.redirect"
local rig = require "node.rig"

describe("the URL that a Location names", function()
  it("is absolute, or relative to the URL that was asked for", function()
    local base = "http://a:8080/b/c/d;p?q"
    for location, url in pairs { -- RFC 3986 5.4
      ["g:h"] = "http://a:8080/b/c/g:h", -- no authority: a path here
      ["http://g/x"] = "http://g/x", ["HTTPS://g"] = "HTTPS://g", ["g"] = "http://a:8080/b/c/g",
      ["./g"] = "http://a:8080/b/c/g", ["g/"] = "http://a:8080/b/c/g/",
      ["/g"] = "http://a:8080/g", ["//g"] = "http://g", ["?y"] = "http://a:8080/b/c/d;p?y",
      ["g?y"] = "http://a:8080/b/c/g?y", ["#s"] = base, ["g#s"] = "http://a:8080/b/c/g",
      [""] = base, ["."] = "http://a:8080/b/c/", ["./"] = "http://a:8080/b/c/",
      [".."] = "http://a:8080/b/", ["../g"] = "http://a:8080/b/g",
      ["../.."] = "http://a:8080/", ["../../../g"] = "http://a:8080/g",
      ["g?y/../x"] = "http://a:8080/b/c/g?y/../x", ["/a/./b/../c"] = "http://a:8080/a/c",
    } do
      assert.equal(url, redirect.resolve(base, location), location)
    end
    assert.equal("http://a/g", redirect.resolve("http://a", "g"))
    assert.equal("http://a/g", redirect.resolve("http://a?x", "g"))
  end)
end)

describe("the request behind a redirect", function()
  local function following(request, status, location)
    return redirect.next(request, { status = status, headers = { location = location } })
  end

  it("keeps method and body, except where browsers do not", function()
    for _, case in ipairs {
      { "POST", 301, "GET" }, { "POST", 302, "GET" }, { "POST", 303, "GET" }, { "PUT", 303, "GET" },
      { "HEAD", 303, "HEAD" }, { "PUT", 301, "PUT" }, { "POST", 307, "POST" },
      { "POST", 308, "POST" }, { "DELETE", 302, "DELETE" },
    } do
      local r = following({ url = "http://a/", method = case[1], body = "b",
        headers = { ["Content-Type"] = "x", Accept = "y" } }, case[2], "/to")
      local is_get = case[3] == "GET"
      assert.same({ url = "http://a/to", method = not is_get and case[3] or nil,
        body = not is_get and "b" or nil,
        headers = { Accept = "y", ["Content-Type"] = not is_get and "x" or nil } }, r)
    end
  end)

  it("has no secrets for another origin", function()
    local function headers(location)
      return following({ url = "http://a:80/", headers = { Authorization = "s", COOKIE = "c",
        ["Proxy-Authorization"] = "p", Accept = "y" } }, 302, location).headers
    end
    for _, location in ipairs { "http://b:80/", "http://a:81/", "https://a:80/", "//b",
      "http://a/" } do
      assert.same({ Accept = "y" }, headers(location), location)
    end
    assert.equal("s", headers "http://A:80/x".Authorization)
    assert.equal("s", headers("/x").Authorization)
  end)

  it("does not leave https, or HTTP", function()
    assert.same({ nil, "the redirect leads from https:// to http://" },
      { following({ url = "https://a/" }, 302, "http://a/") })
    assert.same({ nil, 'the redirect leads to "file:///etc/passwd", which is neither http:// nor '
      .. "https://" }, { following({ url = "http://a/" }, 302, "file:///etc/passwd") })
  end)

  it("is none for other answers", function()
    for _, status in ipairs { 200, 300, 304, 305, 404 } do
      assert.is_nil(following({ url = "http://a/" }, status, "/x"))
    end
    assert.is_nil(following({ url = "http://a/" }, 302, nil))
  end)
end)

describe("groupcache.http", function()
  local origin, other, n

  local SCRIPT = [[
    local cjson = require "cjson"
    local groupcache = require "groupcache"
    local http = require "groupcache.http"
    groupcache.group("g", { getter = function(key)
      local ok, res, err, code = pcall(http.request, cjson.decode(key))
      if not ok then return cjson.encode { raised = res } end
      if not res then return cjson.encode { err = err, code = code } end
      return cjson.encode { status = res.status, url = res.url, body = res.body }
    end })
  ]]

  -- /to/X redirects to X; /round for ever; all else is the headers of the request.
  local ORIGIN = [[
    return function(request, c)
      local to = request.target:match "^/to/(.*)$"
      if request.target == "/round" then to = "/round" end
      if to then
        c:send(("HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n"):format(to))
      else
        local body = request.method .. " " .. request.target .. " "
          .. (request.headers.authorization or "-")
        c:send(("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body))
      end
    end
  ]]

  setup(function()
    origin, other = fake.start(ORIGIN), fake.start(ORIGIN)
    n = node.start { script = SCRIPT }
  end)

  teardown(function()
    rig.stop(n)
    origin:stop()
    other:stop()
  end)

  local function ask(request)
    return cjson.decode(assert(n:get("g", cjson.encode(request))).body)
  end

  it("gives a redirect as it is, unless it is to follow", function()
    assert.equal(302, ask { url = origin.url .. "/to//x" }.status)
    assert.same({ status = 200, url = origin.url .. "/x", body = "GET /x -" },
      ask { url = origin.url .. "/to//x", follow = 1 })
    assert.same({ status = 200, url = origin.url .. "/x", body = "GET /x -" },
      ask { url = origin.url .. "/x", follow = 0 })
  end)

  it("follows to another host, without what is for the first", function()
    local headers = { Authorization = "secret" }
    assert.equal("GET /x -", ask { url = origin.url .. "/to/" .. other.url .. "/x", follow = 3,
      headers = headers }.body)
    assert.equal("GET /x secret", ask { url = origin.url .. "/to//x", follow = 3,
      headers = headers }.body)
  end)

  it("gives up after so many", function()
    assert.same({ err = origin.url .. "/round: more than 3 redirects", code = "PEER" },
      ask { url = origin.url .. "/round", follow = 3 })
  end)

  it("reaches no private address with deny_private, fresh or kept", function()
    local host = origin.url:match "//(.*)$"
    local denied = { err = host .. ": its address is not public", code = "PEER" }
    assert.same(denied, ask { url = origin.url .. "/x", deny_private = true })
    assert.equal(200, ask { url = origin.url .. "/x" }.status) -- now there is a kept connection
    assert.same(denied, ask { url = origin.url .. "/x", deny_private = true, method = "HEAD" })
    assert.same("PEER", ask { url = "http://localhost:1/", deny_private = true }.code)
    assert.matches("its address is not public",
      ask { url = "http://localhost:1/", deny_private = true }.err, 1, true)
    assert.equal(200, ask { url = origin.url .. "/x", deny_private = true,
      allow = { "127.0.0.1" } }.status)
    assert.equal(200, ask { url = origin.url .. "/y" }.status) -- the connection was not hurt
  end)

  it("looks at the address of each redirect", function()
    local to = origin.url:gsub("127%.0%.0%.1", "127.0.0.2")
    local answer = ask { url = origin.url .. "/to/" .. to .. "/x", follow = 3, deny_private = true,
      allow = { "127.0.0.1" } }
    assert.equal("PEER", answer.code)
    assert.matches("127.0.0.2:%d+: its address is not public", answer.err)
  end)

  it("raises for options that make no sense", function()
    for text, request in pairs {
      ["follow is 21, and must be a whole number from 0 to 20"] = { url = "http://a", follow = 21 },
      ["follow is 0.5, and must be"] = { url = "http://a", follow = 0.5 },
      ['allow: "10.0.0.0/33" is not an address or a network'] = { url = "http://a",
        deny_private = true, allow = { "10.0.0.0/33" } },
      ["allow is of use with deny_private = true only"] = { url = "http://a", allow = { "::1" } },
    } do
      assert.matches(text, ask(request).raised, 1, true)
    end
  end)
end)
