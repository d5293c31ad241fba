-- SPDX-License-Identifier: MIT

-- groupcache.http as a client of real servers: an nginx that asks for certificates and has bodies
-- in several codings, and a tinyproxy.

local certs = require "support.certs"
local cjson = require "cjson"
local eventually = require "support.eventually"
local http = require "support.http"
local nginx = require "support.nginx"
local node = require "support.node"
local ports = require "support.ports"
local process = require "support.process"
local rig = require "node.rig"
local tmp = require "support.tmp"

-- The key is the request, as JSON.
local SCRIPT = [[
local cjson = require "cjson"
local groupcache = require "groupcache"
local http = require "groupcache.http"
groupcache.group("g", { timeout = 20, getter = function(key)
  local ok, res, err, code = pcall(http.request, cjson.decode(key))
  if not ok then return cjson.encode { raised = res } end
  if not res then return cjson.encode { err = err, code = code } end
  return cjson.encode { status = res.status, body = res.body,
    coding = res.headers["content-encoding"] }, nil, 0
end })
]]

local PAGE = ("<h1>the page</h1>\n"):rep(1000)

describe("http as a client", function()
  local dir, ca, server, secure, n
  local proxies = {}

  local function ask(request)
    return cjson.decode(assert(n:get("g", cjson.encode(request), { timeout = 30 })).body)
  end

  -- A tinyproxy, with a password or without.
  local function start_proxy(password)
    local p = { port = ports.free(), log = tmp.dir() .. "/log" }
    local config = tmp.dir() .. "/tinyproxy.conf"
    tmp.write(config, ("Port %d\nListen 127.0.0.1\nTimeout 30\nMaxClients 100\nAllow 127.0.0.1\n"
      .. "LogFile %q\nLogLevel Info\nConnectPort %d\n%s"):format(p.port, p.log, secure,
      password and "BasicAuth user " .. password .. "\n" or ""))
    p.process = process.spawn { "tinyproxy", "-d", "-c", config, stdout = p.log .. ".out",
      stderr = p.log .. ".out" }
    proxies[#proxies + 1] = p
    p.process:comes_up("tinyproxy", 10, function()
      local c = http.connect("127.0.0.1", p.port, 1)
      return c and c:close() or c
    end, p.log .. ".out")
    return p
  end

  -- How often a line of its log has the text.
  local function seen(p, text)
    local count = 0
    for line in io.lines(p.log) do
      count = count + (line:find(text, 1, true) and 1 or 0)
    end
    return count
  end

  setup(function()
    dir, secure, ca = tmp.dir(), ports.free(), certs.ca "ours"
    local pair = ca:issue { name = "origin" }
    tmp.write(dir .. "/www/plain", PAGE)
    for coding, program in pairs { gzip = "gzip", br = "brotli", zstd = "zstd" } do
      local r = process.run { program, "-c", dir .. "/www/plain" }
      assert.equal(0, r.code, r.stderr)
      tmp.write(dir .. "/www/" .. coding, r.stdout)
    end
    server = nginx.start { root = dir .. "/www",
      http = ([[
        map $http_accept_encoding $best {
          default plain; ~zstd zstd; ~br br; ~gzip gzip;
        }
        server {
          listen 127.0.0.1:%d ssl;
          ssl_certificate %s;
          ssl_certificate_key %s;
          ssl_client_certificate %s;
          ssl_verify_client on;
          location / { return 200 "hello $ssl_client_s_dn"; }
        }
      ]]):format(secure, pair.cert, pair.key, ca.path),
      config = [[
        location /agent { return 200 "$http_user_agent, $http_accept_encoding"; }
        location /via { return 200 "$http_via|$http_proxy_authorization"; }
        location /coded { rewrite ^ /$best; }
        location /gzip { add_header Content-Encoding gzip; }
        location /br { add_header Content-Encoding br; }
        location /zstd { add_header Content-Encoding zstd; }
      ]] }
    n = node.start { script = SCRIPT, env = { http_proxy = "http://127.0.0.1:1",
      https_proxy = "http://127.0.0.1:1", ALL_PROXY = "http://127.0.0.1:1" } }
  end)

  teardown(function()
    rig.stop(n)
    server:stop()
    for _, p in ipairs(proxies) do
      p.process:stop("SIGTERM", 10)
    end
  end)

  it("says who it is", function()
    local version = n:stats().version
    assert.equal("groupcache/" .. version .. ", ", ask { url = server.url .. "/agent" }.body)
    assert.equal("mine/1, ", ask { url = server.url .. "/agent", user_agent = "mine/1" }.body)
    assert.equal(", ", ask { url = server.url .. "/agent", user_agent = "" }.body)
    assert.equal("given, ", ask { url = server.url .. "/agent", user_agent = "mine",
      headers = { ["user-agent"] = "given" } }.body)
    assert.matches("a header holds a NUL", ask { url = server.url, user_agent = "a\0b" }.raised)
  end)

  it("asks for a compressed body when told to, and decodes each coding", function()
    assert.matches(", gzip, deflate, br, zstd$",
      ask { url = server.url .. "/agent", compressed = true }.body)
    assert.same({ status = 200, body = PAGE }, ask { url = server.url .. "/coded",
      compressed = true })
    for _, coding in ipairs { "gzip", "br", "zstd", "plain" } do
      assert.same({ status = 200, body = PAGE }, ask { url = server.url .. "/" .. coding }, coding)
    end
    assert.equal("TOOBIG", ask { url = server.url .. "/zstd", max_bytes = 5000 }.code)
    assert.equal("TOOBIG", ask { url = server.url .. "/br", max_bytes = 5000 }.code)
    assert.matches("compressed asks for a coding",
      ask { url = server.url, compressed = true, decode = false }.raised)
  end)

  it("shows a certificate", function()
    local url = ("https://127.0.0.1:%d/"):format(secure)
    assert.equal(400, ask { url = url, ca_file = ca.path }.status) -- nginx: none was sent
    local pair = ca:issue { name = "client" }
    local shown = { url = url, ca_file = ca.path, cert_file = pair.cert, key_file = pair.key }
    assert.same({ status = 200, body = "hello CN=client" }, ask(shown))
    assert.equal(400, ask { url = url, ca_file = ca.path }.status) -- not by the kept connection
    local other = ca:issue { name = "other" }
    shown.cert_file, shown.key_file = other.cert, other.key
    assert.equal("hello CN=other", ask(shown).body)
    local third = ca:issue { name = "third" }
    shown.cert_file, shown.key_file = third.cert, pair.key
    assert.equal("PEER", ask(shown).code)
    shown.key_file = dir .. "/none.key"
    assert.equal("PEER", ask(shown).code)
    shown.key_file = nil
    assert.matches("cert_file and key_file are of use together", ask(shown).raised)
    shown.key_file, shown.identity = pair.key, true
    assert.matches("two certificates", ask(shown).raised)
  end)

  it("goes through a proxy when told to, and never by the environment", function()
    local p = start_proxy()
    local proxy = "http://127.0.0.1:" .. p.port
    assert.equal("|", ask { url = server.url .. "/via" }.body)
    assert.matches("tinyproxy", ask { url = server.url .. "/via", proxy = proxy }.body)
    assert.equal("|", ask { url = server.url .. "/via" }.body)
    local pair = ca:issue { name = "client" }
    local url = ("https://127.0.0.1:%d/"):format(secure)
    assert.same({ status = 200, body = "hello CN=client" }, ask { url = url, proxy = proxy,
      ca_file = ca.path, cert_file = pair.cert, key_file = pair.key })
    eventually(function() return seen(p, "CONNECT 127.0.0.1:" .. secure) == 1 end, 10, "a tunnel")
    -- The ports of CONNECT are listed: the proxy refuses this one.
    local refused = ask { url = server.url:gsub("^http:", "https:"), proxy = proxy }
    assert.equal("PEER", refused.code)
    assert.matches("403", refused.err)
  end)

  it("says its name to a proxy that asks for it, and to nobody else", function()
    local p = start_proxy "secret"
    local address = "127.0.0.1:" .. p.port
    local url = server.url .. "/via"
    assert.equal(407, ask { url = url, proxy = "http://" .. address }.status)
    local answer = ask { url = url, proxy = "http://user:secret@" .. address }
    assert.equal(200, answer.status)
    assert.matches("tinyproxy[^|]*|$", answer.body)
  end)

  it("says what is wrong with a proxy, without its password", function()
    for _, proxy in ipairs { "socks5://a:b@c", "c:80", "http://a:b@c/x", "http://" } do
      local raised = ask { url = server.url, proxy = proxy }.raised
      assert.matches("the proxy must be a URL like", raised)
      assert.is_nil(raised:find("a:b", 1, true))
    end
    assert.matches("deny_private is of no use with a proxy", ask { url = server.url,
      proxy = "http://127.0.0.1:1", deny_private = true }.raised)
    local failed = ask { url = server.url, proxy = "http://a:password@127.0.0.1:1" }
    assert.equal("PEER", failed.code)
    assert.is_nil(failed.err:find("password", 1, true))
  end)
end)
