-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local process = require "support.process"
local C = require("support.unit").load("wire/auth.h", "base/secrets.h", "base/buf.h",
  "base/clock.h", "base/err.h")

local OLD, NEW, OTHER = ("old "):rep(4) .. "!", ("new "):rep(4) .. "!", ("other "):rep(4) .. "!"

local function auth(text)
  local secrets = C.secrets_read(text, nil, nil)
  local a = C.auth_new(secrets)
  C.secrets_unref(secrets)
  return ffi.gc(a, C.auth_free)
end

local function request(method, target)
  local r = ffi.new "struct auth_request"
  r.method, r.target = method, target
  return r
end

local GET = request("GET", "/_groupcache/g/k")

local function sign(a, r, body)
  local b = ffi.new "struct buf"
  C.buf_init(b, 0)
  assert.equal(0, C.auth_put(b, a, r, body, #(body or "")))
  local line = ffi.string(b.data)
  C.buf_deinit(b)
  return assert(line:match "^X%-Groupcache%-Auth: (.*)$")
end

-- -> the claim; or nil, message
local function check(a, r, value)
  local claim, e = ffi.new "struct auth_claim", ffi.new "struct error"
  if C.auth_check(a, r, value, claim, e) ~= 0 then
    return nil, ffi.string(e.msg)
  end
  return claim
end

local function refused(text, a, r, value)
  local claim, err = check(a, r, value)
  assert.is_nil(claim)
  assert.matches(text, err, 1, true)
end

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

describe("the proof of a request", function()
  local a = auth(OLD)

  it("is what openssl computes", function()
    local post, body = request("POST", "/_groupcache/g"), "some\0bytes"
    local value = sign(a, post, body)
    local t, n, b, s = value:match "^v1 t=(%d+) n=(%x+) b=(%x+) s=(%x+)$"
    local function openssl(input)
      return process.run { "openssl", "dgst", "-sha256", "-r", input = input }.stdout:match "%x+"
    end
    assert.equal(openssl(body), b)
    local lines = ("groupcache v1\nPOST\n/_groupcache/g\n%s\n%s\n%s\n"):format(t, n, b)
    local out = process.run { "openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt",
      "hexkey:" .. hex(OLD), "-r", input = lines }
    assert.equal(s, out.stdout:match "%x+")
    assert.near(tonumber(C.clock_wall_ns()) / 1e6, tonumber(t), 5000)
  end)

  it("holds for the request that was signed, and the body", function()
    local value = sign(a, GET)
    assert.equal(0, check(a, GET, value).has_body)
    for _, other in ipairs { request("PUT", "/_groupcache/g/k"),
      request("GET", "/_groupcache/g/kk") } do
      refused("no peer_secret of this node has signed it", a, other, value)
    end
    local claim = check(a, GET, sign(a, GET, "body"))
    assert.equal(1, C.auth_is_body(claim, "body", 4))
    for _, other in ipairs { "bodY", "body ", "bod", "" } do
      assert.equal(0, C.auth_is_body(claim, other, #other))
    end
    assert.equal(1, C.auth_is_body(check(a, GET, value), "", 0))
    assert.equal(0, C.auth_is_body(check(a, GET, value), "x", 1))
  end)

  it("is refused if anything of it was changed", function()
    local value = sign(a, GET, "body")
    for i = 1, #value do
      local c = value:sub(i, i)
      local other = value:sub(1, i - 1) .. (c == "0" and "1" or "0") .. value:sub(i + 1)
      assert.is_nil((check(a, GET, other)), other)
    end
    for _, other in ipairs { "", "v1", "v1 ", "v2" .. value:sub(3), value .. " ", value .. "0",
      value:sub(1, -2), value:upper(), value:gsub(" b=%x+", ""), (value:gsub("t=", "t=0")),
      (value:gsub("t=%d+", "t=99999999999999999999")) } do
      assert.is_nil((check(a, GET, other)), other)
    end
    refused("a request of a node must have X-Groupcache-Auth", a, GET, nil)
  end)

  it("holds for any secret that the node has now", function()
    local both = auth(NEW .. "," .. OLD)
    assert.is_truthy(check(both, GET, sign(a, GET)))
    assert.is_truthy(check(both, GET, sign(auth(NEW), GET)))
    refused("no peer_secret of this node has signed it", both, GET, sign(auth(OTHER), GET))
    refused("no peer_secret of this node has signed it", a, GET, sign(both, GET)) -- with the first
    local changed = auth(OLD)
    local secrets = C.secrets_read(NEW, nil, nil)
    C.auth_replace(changed, secrets)
    C.secrets_unref(secrets)
    refused("no peer_secret of this node has signed it", changed, GET, sign(a, GET))
  end)

  it("is used once", function()
    local claim, e = check(a, GET, sign(a, GET)), ffi.new "struct error"
    assert.equal(0, C.auth_use_once(a, claim, e))
    assert.equal(C.ERR_INVAL, C.auth_use_once(a, claim, e))
    assert.matches("was taken before", ffi.string(e.msg), 1, true)
    assert.equal(0, C.auth_use_once(a, check(a, GET, sign(a, GET)), e))
  end)

  it("is refused if 262144 others were taken in the last minute", function()
    local fresh, e = auth(NEW), ffi.new "struct error"
    local claim = check(fresh, GET, sign(fresh, GET))
    local number, code = ffi.cast("uint32_t *", claim.nonce), 0
    for i = 1, 2 ^ 18 + 1 do
      number[0] = 2 * i -- the lowest bit does not count
      code = C.auth_use_once(fresh, claim, e)
      if code ~= 0 then
        break
      end
    end
    assert.equal(C.ERR_BUSY, code)
    assert.equal("there are more than 262144 signed changes a minute", ffi.string(e.msg))
    assert.equal(2 * (2 ^ 18 + 1), number[0])
    C.clock_advance(61000)
    assert.equal(0, C.auth_use_once(fresh, claim, e))
  end)

  it("has a time, which may differ by 30 seconds", function()
    local value = sign(a, GET)
    C.clock_advance(29000)
    assert.is_truthy(check(a, GET, value))
    C.clock_advance(2000)
    refused("its time is 31 s behind this node's clock, and may differ by 30 s", a, GET, value)
  end)
end)
