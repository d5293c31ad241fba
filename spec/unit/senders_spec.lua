-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local peers = require "unit.peers"
local C = require("support.unit").load("change/senders.h", "peer/peers.h", "base/err.h",
  "base/hash.h")

local SELF, OTHER = "http://10.0.0.1:8080", "http://[fd00::2]:8080"

-- Whether a change is taken from an address, nil for none: true; or false, message.
local function takes(setting, from, urls)
  local e, s = ffi.new "struct error", ffi.new "struct senders"
  local p = peers.new(SELF)
  peers.set(p, urls or { SELF, OTHER })
  assert.equal(0, tonumber(C.senders_parse(s, setting, e)), ffi.string(e.msg))
  local a = ffi.new "struct address"
  if from then
    assert.equal(1, C.address_parse(from, #from, a))
  end
  local ok = C.senders_check(s, p, from and a or nil, e) == 0
  C.senders_deinit(s)
  C.peers_free(p)
  return ok, not ok and ffi.string(e.msg) or nil
end

describe("the senders of changes", function()
  it("are listed peers, this node too", function()
    assert.is_true(takes("peers", "10.0.0.1"))
    assert.is_true(takes("peers", "fd00::2"))
    assert.is_true(takes("peers", "::ffff:10.0.0.1"))
    assert.is_false(takes("peers", "10.0.0.2"))
    assert.is_false(takes("peers", nil))
    assert.is_false(takes("peers", "10.0.0.1", {}))
  end)

  it("are in networks, beside peers or without them", function()
    assert.is_true(takes("peers,10.0.0.0/8", "10.9.9.9"))
    assert.is_true(takes("10.0.0.0/8 , peers", "fd00::2"))
    assert.is_false(takes("10.0.0.0/8", "fd00::2"))
    assert.is_false(takes("10.0.0.0/8", "11.0.0.1"))
  end)

  it("are everyone when open, also those without an address", function()
    assert.is_true(takes("open", "8.8.8.8", {}))
    assert.is_true(takes("open", nil, {}))
  end)

  it("are nobody for an empty setting", function()
    assert.is_false(takes("", "10.0.0.1"))
  end)

  it("that are refused are told the address and the setting", function()
    local _, message = takes("peers", "10.0.0.2")
    assert.equal("a change is taken from listed peers only, and 10.0.0.2 is not the address of "
      .. "one: if peers are behind a NAT or a proxy, add its network to peer_changes", message)
  end)

  it("are refused as a setting with the word that is wrong", function()
    for _, word in ipairs { "everyone", "10.0.0.0/40", "peer", "openn", "10.0.0.1/8" } do
      local e, s = ffi.new "struct error", ffi.new "struct senders"
      assert.is_not.equal(0, tonumber(C.senders_parse(s, "peers, " .. word, e)), word)
      C.senders_deinit(s)
      assert.equal(('peer_changes: "%s" is not "peers", "open", or a network such as 10.0.0.0/8')
        :format(word), ffi.string(e.msg))
    end
  end)
end)
