-- SPDX-License-Identifier: MIT

-- examples/tokens.lua before an nginx that plays the server of tokens, over TLS with certificates
-- on both sides.

local certs = require "support.certs"
local cjson = require "cjson"
local nginx = require "support.nginx"
local node = require "support.node"
local ports = require "support.ports"
local rig = require "node.rig"
local tmp = require "support.tmp"

local BASIC = { billing = "YmlsbGluZzphJmI=", short = "c2hvcnQ6eA==" } -- base64 of name:secret

describe("examples/tokens.lua", function()
  local server, n

  setup(function()
    local ca, dir, port = certs.ca "idp", tmp.dir(), ports.free()
    local pair, shown = ca:issue { name = "idp" }, ca:issue { name = "node" }
    tmp.write(dir .. "/www/jwks.json", '{"keys":[{"kid":"a","kty":"RSA"},{"kid":"b","kty":"EC"}]}')
    tmp.write(dir .. "/clients.json", '{"billing":{"secret":"a&b","scope":"read"},'
      .. '"short":{"secret":"x","scope":"read"},"wrong":{"secret":"?","scope":"read"}}')
    server = nginx.start { root = dir .. "/www",
      http = ([[
        map $http_authorization $lives { default 0; "Basic %s" 3600; "Basic %s" 30; }
      ]]):format(BASIC.billing, BASIC.short),
      config = ([[
        listen 127.0.0.1:%d ssl;
        ssl_certificate %s;
        ssl_certificate_key %s;
        ssl_client_certificate %s;
        ssl_verify_client on;
        location = /token {
          if ($request_method != POST) { return 405; }
          if ($lives = 0) { return 401; }
          return 200 '{"access_token":"$request_id","expires_in":$lives}';
        }
      ]]):format(port, pair.cert, pair.key, ca.path) }
    n = node.start { script = "examples/tokens.lua", env = { IDP = "https://127.0.0.1:" .. port,
      CLIENTS = dir .. "/clients.json", CA_FILE = ca.path, CERT_FILE = shown.cert,
      KEY_FILE = shown.key } }
  end)

  teardown(function()
    rig.stop(n)
    server:stop()
  end)

  it("gives a token until shortly before its end", function()
    local first = assert(n:get("tokens", "billing"))
    assert.equal(200, first.status, first.body)
    assert.matches("^%x+$", first.body)
    assert.equal(first.body, n:get("tokens", "billing").body)
    local short = n:get("tokens", "short").body -- it ends in 30 s: nobody is given it again
    assert.not_equal(short, n:get("tokens", "short").body)
  end)

  it("has no token for a wrong secret, or for a client that it does not know", function()
    local res = n:get("tokens", "wrong")
    assert.equal(502, res.status)
    assert.matches("status 401", res.body)
    assert.equal(404, n:get("tokens", "nobody").status)
  end)

  it("gives the key of a name", function()
    assert.same({ kid = "b", kty = "EC" }, cjson.decode(assert(n:get("keys", "b")).body))
    assert.equal(404, n:get("keys", "c").status)
  end)
end)
