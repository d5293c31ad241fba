-- SPDX-License-Identifier: MIT

-- Interim answers (1xx) of an origin behind an HTTP cache: who gets them, and who does not.

local certs = require "support.certs"
local fake = require "node.fake"
local http = require "support.http"
local node = require "support.node"
local process = require "support.process"
local rig = require "node.rig"

local ca = certs.ca "interim answers"

-- /flood sends many more than are kept; /wait is slow, so that its requests wait for one load.
local ORIGIN = [[
local HINTS = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nX-Empty:\r\n"
  .. "Keep-Alive: timeout=5\r\n\r\n"
return function(request, c)
  local path, life = request.target, "Cache-Control: max-age=600\r\n"
  if path:find "^/flood" then
    c:send(("HTTP/1.1 102 Processing\r\nX-Long: %s\r\n\r\n"):format(("x"):rep(700)):rep(100))
  elseif path:find "^/wait" then
    c:sleep(0.3)
    c:send(HINTS)
  elseif path:find "^/continue" then
    c:send "HTTP/1.1 100 Continue\r\n\r\n"
  elseif path:find "^/twice" then
    c:send("HTTP/1.1 102 Processing\r\n\r\n" .. HINTS)
  else
    c:send(HINTS)
  end
  if path:find "^/private" then life = "Cache-Control: private\r\n" end
  c:send("HTTP/1.1 200 OK\r\n" .. life .. "Content-Length: 4\r\n\r\npage")
end
]]

local SCRIPT = [[
local groupcache = require "groupcache"
groupcache.group("site", groupcache.http.cache(os.getenv "ORIGIN"))
]]

describe("an interim answer", function()
  local origin, nodes

  before_each(function()
    origin, nodes = fake.start(ORIGIN), {}
  end)

  after_each(function()
    rig.stop_all(nodes)
    origin:stop()
  end)

  local function start(opts)
    opts = opts or {}
    opts.script, opts.env = SCRIPT, { ORIGIN = origin.url }
    nodes[1] = node.start(opts)
    return nodes[1]
  end

  local function get(n, path, method)
    local res = assert(n:request { target = "/cache/site" .. path, method = method,
      body = method and "body" })
    assert.same({ 200, "page" }, { res.status, res.body })
    return res.interim
  end

  it("comes to the client whose request brought it, once", function()
    local n = start()
    local interim = get(n, "/a")
    assert.equal(1, #interim)
    assert.same({ 103, "</a.css>; rel=preload" },
      { interim[1].status, interim[1].headers.link })
    assert.is_nil(interim[1].headers["keep-alive"]) -- of the connection to the origin
    assert.same({}, get(n, "/a"))
  end)

  it("comes each time if the answer is not kept, and to other methods", function()
    local n = start()
    for _ = 1, 2 do
      assert.equal(1, #get(n, "/private"))
      assert.equal(1, #get(n, "/post", "POST"))
    end
  end)

  it("comes in its order, but for 100, which was for this node", function()
    local n = start()
    local two = get(n, "/twice")
    assert.same({ 102, 103 }, { two[1].status, two[2].status })
    assert.same({}, get(n, "/continue"))
  end)

  it("comes to one of those that wait for the same load", function()
    local n, requests, given = start(), {}, 0
    for i = 1, 8 do
      requests[i] = { url = n.url .. "/cache/site/wait" }
    end
    for _, res in ipairs(http.parallel(requests, 8)) do
      assert.equal("page", res.body)
      given = given + #res.interim
    end
    assert.equal(1, given)
  end)

  it("is one of few, however many the origin sends", function()
    local interim = get(start(), "/flood")
    assert.is_true(#interim >= 1 and #interim <= 5, #interim)
    assert.equal(700, #interim[#interim].headers["x-long"])
  end)

  it("leaves the connection sound for further requests", function()
    local n = start()
    local c = assert(http.connect(n.host, n.port, 10))
    for i = 1, 5 do
      local res = assert(c:request { target = "/cache/site/more" .. i })
      assert.same({ 200, "page", 1 }, { res.status, res.body, #res.interim })
    end
    c:close()
  end)

  it("is not sent to a client of HTTP/1.0", function()
    local n = start()
    local bytes = http.raw(n.host, n.port, "GET /cache/site/old HTTP/1.0\r\n\r\n")
    assert.matches("^HTTP/1.%d 200 ", bytes)
    assert.is_nil(bytes:find(" 103 ", 1, true))
  end)

  it("comes over TLS", function()
    local own = ca:issue()
    local n = start { tls = { cert = own.cert, key = own.key, ca = ca.path } }
    local r = process.run { "curl", "-sS", "-i", "--http1.1", "--cacert", ca.path,
      n.url .. "/cache/site/a", n.url .. "/cache/site/b", n.url .. "/cache/site/a" }
    assert.equal(0, r.code, r.stderr)
    assert.equal(2, select(2, r.stdout:gsub("HTTP/1%.1 103 Early Hints\r\n", "")))
    assert.equal(3, select(2, r.stdout:gsub("HTTP/1%.1 200 OK\r\n", "")))
  end)
end)
