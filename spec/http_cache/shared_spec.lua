-- SPDX-License-Identifier: MIT

-- What requests that come at the same time share in an HTTP cache, and what they never do; and an
-- origin or an owner in trouble. On one node, and on three that are asked in turn.

local fake = require "node.fake"
local http = require "support.http"
local node = require "support.node"
local rig = require "node.rig"
local tmp = require "support.tmp"

-- /private says who asks, /lang is a page for each language, /plain is the same for all; /slow is
-- plain and takes a while.
local ORIGIN = [[
local n, hanging = 0, 0
local function put(c, status, headers, body)
  c:send(("HTTP/1.1 %d X\r\nContent-Length: %d\r\nDate: %s\r\n%s\r\n%s"):format(status, #body,
    os.date "!%a, %d %b %Y %H:%M:%S GMT", headers, body))
end
return function(request, c)
  local path = request.target
  n = n + 1
  if path:find "^/private" then
    c:sleep(0.1)
    put(c, 200, "Cache-Control: private\r\nSet-Cookie: is=" .. request.headers.cookie .. "\r\n",
      request.headers.cookie)
  elseif path:find "^/lang" then
    c:sleep(0.1)
    local lang = request.headers["accept-language"] or "none"
    put(c, 200, "Cache-Control: max-age=600\r\nVary: Accept-Language\r\n", lang)
  elseif path:find "^/once" then
    c:sleep(0.1)
    put(c, 200, 'Cache-Control: max-age=600, private="set-cookie"\r\nSet-Cookie: is='
      .. request.headers.cookie .. "\r\n", "page")
  elseif path:find "^/echo" then
    put(c, 200, "", request.method .. " " .. request.body)
  elseif path:find "^/large" then
    local from, to = (request.headers.range or ""):match "bytes=(%d+)-(%d+)"
    if from then
      put(c, 206, ("Content-Range: bytes %s-%s/3000000\r\n"):format(from, to),
        ("x"):rep(to - from + 1))
    else
      put(c, 200, "Cache-Control: max-age=600\r\n", ("x"):rep(3000000))
    end
  elseif path:find "^/forwarded" then
    local h = request.headers
    put(c, 200, "", table.concat({ h["x-forwarded-for"], h["x-forwarded-host"] or "-",
      h["x-forwarded-proto"], h.via, h["x-hop"] or "nothing" }, "|"))
  elseif path:find "^/traced" then
    put(c, 200, "", (request.headers.traceparent or "") .. (request.headers.tracestate or ""))
  elseif path:find "^/hangs" then
    hanging = hanging + 1
    if hanging > 1 then c:sleep(30) end
    put(c, 200, "Cache-Control: max-age=0\r\nETag: \"a\"\r\n", "kept")
  elseif path:find "^/gone" then
    put(c, 200, "Cache-Control: max-age=0\r\nETag: \"a\"\r\n", "kept")
  else
    if path:find "^/slow" then c:sleep(0.2) end
    put(c, 200, "Cache-Control: max-age=600\r\nX-Seen: "
      .. (request.headers["x-groupcache-request"] or "nothing") .. "\r\n", path .. " " .. n)
  end
end
]]

local SCRIPT = [[
local groupcache = require "groupcache"
groupcache.group("site", groupcache.http.cache(os.getenv "ORIGIN", {
  cache_status = true, max_value_bytes = "1MB", writable = true, timeout = 2.5, breaker = 3 }))
]]

for _, count in ipairs { 1, 3 } do
  describe(("an HTTP cache of %d nodes"):format(count), function()
    local origin, nodes

    before_each(function()
      origin = fake.start(ORIGIN)
      local opts = { script = SCRIPT, env = { ORIGIN = origin.url } }
      nodes = count == 1 and { node.start(opts) } or node.cluster(count, opts)
    end)

    after_each(function()
      rig.stop_all(nodes)
      if origin then
        origin:stop()
      end
    end)

    local function ask(i, path, headers, more)
      local o = { url = nodes[i % count + 1].url .. "/cache/site" .. path, headers = headers }
      for name, value in pairs(more or {}) do
        o[name] = value
      end
      return o
    end

    local function seen(path)
      local times = 0
      for _, line in ipairs(origin:requests()) do
        times = times + (line:find(path, 1, true) and 1 or 0)
      end
      return times
    end

    it("gives an answer that may not be kept to the one request that it was made for", function()
      local requests = {}
      for i = 1, 60 do
        requests[i] = ask(i, "/private/" .. i % 3, { Cookie = "user" .. i })
      end
      for i, res in ipairs(http.parallel(requests, 60)) do
        assert.same({ 200, "user" .. i, "is=user" .. i },
          { res.status, res.body, res.headers["set-cookie"] })
      end
    end)

    it("gives a header that is for one client to that client alone", function()
      local requests, given = {}, 0
      for i = 1, 30 do
        requests[i] = ask(i, "/once", { Cookie = "user" .. i })
      end
      for i, res in ipairs(http.parallel(requests, 30)) do
        local cookie = res.headers["set-cookie"]
        assert.same({ 200, "page" }, { res.status, res.body })
        assert(cookie == nil or cookie == "is=user" .. i, cookie)
        given = given + (cookie and 1 or 0)
      end
      assert.equal(seen "/once", given)
    end)

    it("loads what many ask for at the same time once", function()
      local requests = {}
      for i = 1, 60 do
        requests[i] = ask(i, "/slow")
      end
      local first
      for _, res in ipairs(http.parallel(requests, 60)) do
        first = first or res.body
        assert.same({ 200, first }, { res.status, res.body })
      end
      assert.equal(1, seen "/slow")
    end)

    it("gives each of many that come at the same time its variant", function()
      local languages, requests = { "en", "de", "fr" }, {}
      for round = 1, 2 do
        for i = 1, 60 do
          requests[i] = ask(i, "/lang", { ["Accept-Language"] = languages[i % 3 + 1] })
        end
        for i, res in ipairs(http.parallel(requests, 60)) do
          assert.same({ 200, languages[i % 3 + 1] }, { res.status, res.body }, round)
        end
      end
      assert.equal(#languages, seen "/lang")
    end)

    it("passes on a body, whatever its bytes are, and one that is too large is 413", function()
      local body = ("a\0b\n%%0A\255"):rep(1000)
      for i, method in ipairs { "POST", "PUT", "PATCH", "DELETE" } do
        local res = http.request(ask(i, "/echo", {}, { method = method, body = body }))
        assert.same({ 200, method .. " " .. body }, { res.status, res.body })
      end
      assert.equal(413, http.request(ask(1, "/echo", {}, { method = "POST",
        body = ("x"):rep(2000000) })).status)
    end)

    it("gives a part of what is too large to be kept", function()
      local res = http.request(ask(1, "/large", { Range = "bytes=5-9" }))
      assert.same({ 206, "xxxxx", "bytes 5-9/3000000" },
        { res.status, res.body, res.headers["content-range"] })
      assert.equal(413, http.request(ask(2, "/large")).status)
    end)

    it("lets no client speak for a node", function()
      for i = 1, 2 do
        local res = http.request(ask(i, "/plain", { ["X-Groupcache-Request"] = "GET 0" }))
        assert.equal("nothing", res.headers["x-seen"])
      end
      for _, body in ipairs { '["/plain"]', '{"remove_tags":["a"]}' } do
        assert.equal(400, http.request(ask(1, "", {}, { method = "POST", body = body })).status)
      end
    end)

    it("answers in place of an origin that is gone, and says so when nothing is kept", function()
      for i = 1, count do
        assert.equal("kept", http.request(ask(i, "/gone")).body)
      end
      origin:stop()
      origin = nil
      for i = 1, 2 * count do
        local res = http.request(ask(i, "/gone"))
        assert.same({ 200, "kept" }, { res.status, res.body })
      end
      assert.equal(502, http.request(ask(1, "/never")).status)
    end)

    it("tells the origin who asked, and how", function()
      local res = http.request(ask(1, "/forwarded", { ["X-Forwarded-For"] = "192.0.2.1",
        Connection = "X-Hop", ["X-Hop"] = "1", Host = "site.example" }))
      assert.equal("192.0.2.1, 127.0.0.1|-|http|1.1 groupcache|nothing",
        (res.body:gsub("\n.*", "")))
      res = http.request(ask(1, "/forwarded", { Host = "site.example" }, { method = "POST" }))
      assert.equal("127.0.0.1|site.example|http|1.1 groupcache|nothing",
        (res.body:gsub("\n.*", "")))
    end)

    it("makes the exchange with the origin a span of the client's trace", function()
      local id, own = ("1"):rep(32), ("2"):rep(16)
      for i, method in ipairs { "GET", "GET", "GET", "POST" } do
        local res = http.request(ask(i, "/traced" .. i, { Tracestate = "a=b",
          Traceparent = ("00-%s-%s-00"):format(id, own) }, { method = method }))
        local trace, span, state = res.body:match "^00%-(%x+)%-(%x+)%-00(.-)\n?$"
        assert.same({ id, "a=b" }, { trace, state }, res.body)
        assert.not_equal(own, span)
      end
    end)

    it("answers in place of an origin that hangs, and of loads that are refused", function()
      for i = 1, count do
        assert.equal("kept", http.request(ask(i, "/hangs")).body)
      end
      for i = 1, count + 3 do -- the breaker opens
        local res = http.request(ask(i, "/hangs"))
        assert.same({ 200, "kept" }, { res.status, res.body })
      end
      local asked = seen "/hangs"
      local res = http.request(ask(1, "/hangs", { ["Cache-Control"] = "no-cache" }))
      assert(res.status == 503 or res.status == 504, res.status)
      assert(seen "/hangs" - asked <= 1)
    end)

    it("forgets URLs by a list of them, with all their variants", function()
      local en, de = { ["Accept-Language"] = "en" }, { ["Accept-Language"] = "de" }
      for i, headers in ipairs { en, de, en, de } do
        assert.equal(200, http.request(ask(i, "/lang", headers)).status)
      end
      assert.equal(2, seen "/lang")
      assert.equal(204, http.request(ask(1, "", {}, { method = "POST",
        body = '{"remove": ["/lang"]}' })).status)
      for i, headers in ipairs { en, de, en, de } do
        assert.equal(200, http.request(ask(i, "/lang", headers)).status)
      end
      assert.equal(4, seen "/lang")
    end)

    it("forgets everything by a flush", function()
      local before = http.request(ask(1, "/plain")).body
      assert.equal(before, http.request(ask(2, "/plain")).body)
      assert.equal(204, http.request(ask(1, "", {}, { method = "DELETE" })).status)
      assert.not_equal(before, http.request(ask(2, "/plain")).body)
    end)

    if count > 1 then
      it("answers when the owner of a URL has died", function()
        for i = 1, 12 do
          assert.equal(200, http.request(ask(1, "/plain/" .. i)).status)
        end
        nodes[3]:kill9()
        for i = 1, 12 do
          local res = http.request(ask(0, "/plain/" .. i))
          assert.equal(200, res.status)
          assert.equal("/plain/" .. i, res.body:match "^%S+")
        end
        nodes[3] = nil
      end)
    end
  end)
end

describe("an HTTP cache", function()
  it("knows after a restart what it has kept, and its age", function()
    local origin = fake.start(ORIGIN)
    local path = tmp.dir() .. "/snapshot"
    local opts = { script = SCRIPT, env = { ORIGIN = origin.url },
      args = { "--snapshot-path", path } }
    local n = node.start(opts)
    local before = n:request { target = "/cache/site/plain" }.body
    rig.stop(n)
    n = node.start(opts)
    local res = n:request { target = "/cache/site/plain" }
    assert.same({ 200, before, "main" }, { res.status, res.body, res.headers["x-cache"] })
    assert.is_truthy(res.headers.age)
    rig.stop(n)
    origin:stop()
  end)

  it("refuses options that its origin decides, and origins that are none", function()
    for text, message in pairs {
      ['"ftp://x"'] = "the origin is \"ftp://x\", and must be a URL like http://host:port",
      ['"http://a:b@x y"'] = "the origin is \"http://x y\", and must be a URL like",
      ["nil"] = "the origin is nil, and must be",
      ["1"] = "the origin is a number, and must be a URL like http://host:port",
      ['"http://x", 5'] = "the options are a number, and must be a table",
      ['"http://x", { ttl = 5 }'] = "ttl is no option of an HTTP cache: "
        .. "the origin and its answers decide",
      ['"http://x", { heuristic = 5 }'] = "heuristic is 5, and must be a number from 0.001 "
        .. "to 1, or 0",
      ['"http://x", { capacity = 5 }'] = 'unknown option "capacity", it is called "cache_bytes"',
      ['"http://x", { kep = 5 }'] = 'unknown option "kep", the nearest is "keep"',
    } do
      local n = node.start { ready = false, script = ([[
        local groupcache = require "groupcache"
        groupcache.group("site", groupcache.http.cache(%s))
      ]]):format(text) }
      assert.not_equal(0, (n.process:wait(10)))
      assert(n:log():find(message, 1, true), n:log())
      assert(n:log():find("script.lua:2", 1, true) or n:log():find(":2:", 1, true), n:log())
    end
  end)
end)
