-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local peers = require "unit.peers"
local C = require("support.unit").load("peer/sign.h", "peer/peer_in.h", "peer/peers.h",
  "wire/auth.h", "base/secrets.h", "base/buf.h", "base/mem.h")

local function two_with(auth)
  local p = peers.new("http://a:1", { auth = auth })
  peers.set(p, { "http://a:1", "https://b:2" })
  return p
end

-- The line for a request to the second peer; nil if there is none.
local function line(p, method, url, body)
  local n, b = ffi.new "size_t[1]", ffi.new "struct buf"
  local list = C.peers_list(p, n)
  C.buf_init(b, 0)
  assert.equal(0, C.sign_put(b, list[1], method, url, body, #(body or "")))
  local text = b.len > 0 and ffi.string(b.data) or nil
  C.buf_deinit(b)
  for i = 0, tonumber(n[0]) - 1 do
    C.peer_unref(list[i])
  end
  C.mem_free(list)
  return text
end

describe("the proof in a request to a peer", function()
  it("is for the path of its URL", function()
    local secrets = C.secrets_read("a secret of many bytes", nil, nil)
    local auth = C.auth_new(secrets)
    C.secrets_unref(secrets)
    local p = two_with(auth)
    local value = line(p, "POST", "https://b:2/_groupcache/g", "body"):match ": (.*)$"
    local r, claim = ffi.new "struct auth_request", ffi.new "struct auth_claim"
    r.method, r.target = "POST", "/_groupcache/g"
    assert.equal(0, C.auth_check(auth, r, value, claim, nil))
    assert.equal(1, C.auth_is_body(claim, "body", 4))
    C.peers_free(p)
    C.auth_free(auth)
  end)

  it("is none without a secret", function()
    local p = two_with()
    assert.is_nil(line(p, "GET", "https://b:2/_groupcache/g/k"))
    C.peers_free(p)
  end)
end)
