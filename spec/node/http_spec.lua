-- SPDX-License-Identifier: MIT

-- groupcache.http, as getters use it: against a server that answers what this spec makes up, and
-- against a real nginx with TLS. Requests and answers travel as JSON in keys and values.

local cjson = require "cjson"
local fake = require "node.fake"
local http = require "support.http"
local nginx = require "support.nginx"
local node = require "support.node"
local ports = require "support.ports"
local process = require "support.process"
local rig = require "node.rig"
local socket = require "socket"
local tmp = require "support.tmp"

local SCRIPT = [[
local cjson = require "cjson"
local groupcache = require "groupcache"
local http = require "groupcache.http"

local function getter(key)
  local call = cjson.decode(key)
  local ok, res, err, code = pcall(http[call.name], call.first, call.second)
  if not ok then return cjson.encode { raised = res } end
  if type(res) == "table" then
    return cjson.encode { status = res.status, headers = res.headers, body = res.body }
  end
  return cjson.encode { res = res, err = err, code = code }
end

groupcache.group("http", { timeout = 3, getter = getter })
groupcache.group("plain", {
  timeout = 0.4,
  getter = function(url) return http.get(url, { timeout = 100 }) end,
})
groupcache.group("small", { timeout = 3, max_value_bytes = 1000, getter = getter })
]]

-- What the fake origin does at each path.
local ORIGIN = [[
local function reply(c, status, headers, body)
  c:send(("HTTP/1.1 %s\r\nContent-Length: %d\r\n%s\r\n%s"):format(status, #body, headers, body))
end

return function(request, c)
  local path = request.target
  if path:find "^/echo" then
    local lines = {}
    for name, value in pairs(request.headers) do lines[#lines + 1] = name .. ": " .. value end
    table.sort(lines)
    reply(c, "200 OK", "X-Method: " .. request.method .. "\r\nX-Target: " .. path .. "\r\n",
      table.concat(lines, "\n") .. "\n\n" .. request.body)
  elseif path == "/headers" then
    reply(c, "203 Odd", "X-UPPER: Yes\r\nX-Twice: one\r\nx-twice: two\r\nX-Empty:\r\n", "")
  elseif path == "/head" then
    c:send "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Here: yes\r\n\r\n"
  elseif path == "/redirect" then
    reply(c, "302 Found", "Location: /echo\r\n", "over there")
  elseif path == "/error" then
    reply(c, "500 Oh", "", "no")
  elseif path:find "^/never" then
    c:sleep(1000)
  elseif path == "/drip" then
    c:send "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    while true do c:sleep(0.05) c:send "." end
  elseif path == "/big" then
    reply(c, "200 OK", "", ("x"):rep(5000))
  elseif path == "/big chunks" or path == "/big%20chunks" then
    c:send "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    for _ = 1, 100 do c:send("400\r\n" .. ("y"):rep(1024) .. "\r\n") end
    c:send "0\r\n\r\n"
  elseif path == "/short" then
    c:send "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this"
    c:close()
  elseif path == "/garbage" then
    c:send "what?\r\n\r\n"
    c:close()
  end
end
]]

local n, origin

-- What http.request gives in a getter; http.get with name = "get".
local count = 0

local function call(args, group)
  count = count + 1
  local key = cjson.encode { name = args.name or "request", first = args[1], second = args[2],
    n = count } -- n: no key comes twice
  local res = assert(n:get(group or "http", key, { timeout = 8 }))
  assert(res.status == 200, res.body)
  return cjson.decode(res.body)
end

describe("http in a getter", function()
  setup(function()
    origin = fake.start(ORIGIN)
    n = node.start { script = SCRIPT }
  end)

  teardown(function()
    rig.stop(n)
    if origin then
      origin:stop()
    end
  end)

  it("sends method, headers and body as they are, with NUL", function()
    local body = "a\0b\r\n\0"
    local res = call { { url = origin.url .. "/echo?q=1", method = "PATCH", body = body,
      headers = { ["X-One"] = "1", Accept = "text/x" } } }
    assert.equal(200, res.status)
    assert.equal("PATCH", res.headers["x-method"])
    assert.equal("/echo?q=1", res.headers["x-target"])
    assert.matches("\n\n" .. body:gsub("%z", "%%z") .. "$", res.body)
    assert.matches("x-one: 1\n", res.body, 1, true)
    assert.matches("accept: text/x\n", res.body, 1, true)
    assert.matches("content-length: 6\n", res.body, 1, true)
    assert.is_nil(res.body:find("expect:", 1, true))
  end)

  for _, method in ipairs { "GET", "POST", "PUT", "DELETE", "OPTIONS" } do
    it("sends a " .. method .. " without a body", function()
      local res = call { { url = origin.url .. "/echo", method = method } }
      assert.equal(method, res.headers["x-method"])
      assert.matches("\n\n$", res.body)
    end)
  end

  it("knows that the answer to a HEAD has no body", function()
    local res = call { { url = origin.url .. "/head", method = "HEAD" } }
    assert.same({ 200, "", "yes" }, { res.status, res.body, res.headers["x-here"] })
  end)

  it("gives header names in lower case, and repetitions joined", function()
    local res = call { name = "get", origin.url .. "/headers" }
    assert.equal(203, res.status)
    assert.equal("Yes", res.headers["x-upper"])
    assert.equal("one, two", res.headers["x-twice"])
    assert.equal("", res.headers["x-empty"])
    assert.is_nil(res.headers["X-UPPER"])
  end)

  it("takes every status for an answer, and follows no redirect", function()
    assert.equal(500, call({ name = "get", origin.url .. "/error" }).status)
    local res = call { name = "get", origin.url .. "/redirect" }
    assert.same({ 302, "/echo", "over there" }, { res.status, res.headers.location, res.body })
  end)

  it("gives up an answer over max_bytes, announced or not: TOOBIG", function()
    for _, path in ipairs { "/big", "/big%20chunks" } do
      local res = call { { url = origin.url .. path, max_bytes = 4999 } }
      assert.equal("TOOBIG", res.code)
      assert.matches("4999", res.err, 1, true)
    end
    assert.equal(5000, #call({ { url = origin.url .. "/big", max_bytes = 5000 } }).body)
  end)

  it("has the group's max_value_bytes as its bound, unless told otherwise", function()
    assert.equal("TOOBIG", call({ name = "get", origin.url .. "/big" }, "small").code)
  end)

  for _, path in ipairs { "/never", "/drip" } do
    it(("gives up on %s after its timeout, long before the getter's"):format(path), function()
      local began = socket.gettime()
      local res = call { { url = origin.url .. path, timeout = 0.2 } }
      local took = socket.gettime() - began
      assert.equal("TIMEOUT", res.code)
      assert(took >= 0.19 and took < 2.9, ("%.3f s"):format(took))
    end)
  end

  it("cannot outlive its getter: both end with the load's time, and the load with 504", function()
    for i = 1, 5 do
      local res = assert(n:get("plain", origin.url .. "/never?" .. i, { timeout = 8 }))
      assert.equal(504, res.status, res.body)
    end
  end)

  it("says PEER for who cannot be reached, or answers no HTTP", function()
    local nobody = "http://127.0.0.1:" .. ports.free() .. "/"
    for _, url in ipairs { nobody, origin.url .. "/short", origin.url .. "/garbage" } do
      local res = call { name = "get", url }
      assert.equal("PEER", res.code, url)
      assert.matches("^127%.0%.0%.1:%d+: %S", res.err)
    end
  end)

  it("says INVAL for a bad URL, method or header", function()
    for _, request in ipairs {
      { url = "ftp://127.0.0.1/" }, { url = "file:///etc/passwd" }, { url = "/path" }, { url = "" },
      { url = "http://" }, { url = "http://127.0.0.1/a b" }, { url = "http://127.0.0.1/\r\nX: 1" },
      { url = origin.url, method = "GET / HTTP/1.1\r\nX:" }, { url = origin.url, method = "" },
      { url = origin.url, headers = { ["X"] = "1\r\nY: 2" } },
      { url = origin.url, headers = { ["X: 1\r\nY"] = "2" } },
      { url = origin.url, headers = { ["Content-Length"] = "5" } },
      { url = origin.url, headers = { ["Transfer-Encoding"] = "chunked" } },
    } do
      local before = #origin:requests()
      local res = call { request }
      assert.equal("INVAL", res.code, cjson.encode(request))
      assert.equal(before, #origin:requests())
    end
  end)

  it("raises at the caller for wrong types and unknown fields", function()
    local cases = {
      { { { url = 5 } }, "url is a number, and must be a string" },
      { { {} }, "url is missing" },
      { { { url = "http://x/", tiemout = 1 } }, 'unknown field "tiemout"' },
      { { { url = "http://x/", timeout = true } }, "timeout is a boolean, and must be a number" },
      { { { url = "http://x/", timeout = -1 } }, "timeout is -1" },
      { { { url = "http://x/", timeout = 0 } }, "timeout is 0" },
      { { { url = "http://x/", max_bytes = -1 } }, "max_bytes is -1" },
      { { { url = "http://x/", body = { "x" } } }, "body is a table, and must be a string" },
      { { { url = "http://x/", headers = { X = true } } }, "headers are names and values" },
      { { "http://x/" }, "the request is a string, and must be a table" },
      { { name = "get", { url = "http://x/" } }, "the url is a table, and must be a string" },
      { { name = "escape", 5 }, "a number, and must be a string" },
    }
    for _, case in ipairs(cases) do
      local res = call(case[1])
      assert(res.raised, cjson.encode(case[1]) .. " did not raise")
      assert.matches(case[2], res.raised, 1, true)
      assert.is_nil(res.raised:find("groupcache/", 1, true), res.raised)
    end
  end)

  it("escapes all but unreserved characters", function()
    local got = call { name = "escape", "a/b c+d%~._-é\0" }
    assert.equal("a%2Fb%20c%2Bd%25~._-%C3%A9%00", got.res)
    assert.equal("%2E%2E", call({ name = "escape", ".." }).res)
    assert.equal("", call({ name = "escape", "" }).res)
  end)

  it("runs many exchanges of one VM side by side", function()
    local fns, began, ended = {}, nil, nil
    for i = 1, 50 do
      fns[i] = function()
        began = began or socket.gettime()
        local res = call { { url = origin.url .. "/never", timeout = 0.3 } }
        assert.equal("TIMEOUT", res.code)
        ended = socket.gettime()
      end
    end
    http.together(fns)
    assert.is_true(ended - began < 12) -- 15 s one after another
  end)

  describe("with https", function()
    local server, dir, good, other

    local function certificate(name, san)
      local cert, key = dir .. "/" .. name .. ".pem", dir .. "/" .. name .. ".key"
      local made = process.run { "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
        "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=" .. name,
        "-addext", "subjectAltName=" .. san, "-keyout", key, "-out", cert }
      assert.equal(0, made.code, made.stderr)
      return { cert = cert, port = ports.free(),
        config = ("listen 127.0.0.1:%%d ssl; ssl_certificate %s; ssl_certificate_key %s;")
          :format(cert, key) }
    end

    local function url(site)
      return ("https://127.0.0.1:%d/"):format(site.port)
    end

    setup(function()
      dir = tmp.dir()
      good, other = certificate("good", "IP:127.0.0.1"), certificate("other", "DNS:other.example")
      server = nginx.start {
        config = good.config:format(good.port) .. " location / { return 200 'over TLS'; }",
        http = ("server { %s location / { return 200 'wrong host'; } }"):format(
          other.config:format(other.port)),
      }
    end)

    teardown(function()
      if server then
        server:stop()
      end
    end)

    it("refuses a certificate that nobody vouches for", function()
      local res = call { name = "get", url(good) }
      assert.equal("PEER", res.code)
      assert.matches("certificate", res.err, 1, true)
      assert.equal(0, #server:requests())
    end)

    it("accepts it with its ca_file", function()
      local res = call { name = "get", url(good), { ca_file = good.cert } }
      assert.same({ 200, "over TLS" }, { res.status, res.body })
    end)

    it("accepts it when told to be insecure, and only then", function()
      local res = call { name = "get", url(good), { insecure = true } }
      assert.same({ 200, "over TLS" }, { res.status, res.body })
      -- An open connection that was not checked is not for those who want it checked.
      assert.equal("PEER", call({ name = "get", url(good) }).code)
      assert.equal("PEER", call({ name = "get", url(good), { insecure = false } }).code)
    end)

    it("refuses one for another host, and one that the ca_file does not sign", function()
      assert.equal("PEER", call({ name = "get", url(other), { ca_file = other.cert } }).code)
      assert.equal("PEER", call({ name = "get", url(good), { ca_file = other.cert } }).code)
    end)

    it("says so when the ca_file is not there", function()
      local res = call { name = "get", url(good), { ca_file = dir .. "/no-such.pem" } }
      assert.equal("PEER", res.code)
    end)
  end)
end)
