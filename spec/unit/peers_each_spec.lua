-- SPDX-License-Identifier: MIT

-- spec/node/agree_spec.lua has what is told of a peer's ring.

jit.off(true, true)

local ffi = require "ffi"
local peers = require "unit.peers"
local C = require("support.unit").load("peer/peers.h", "peer/peer_in.h", "base/hash.h")

describe("what is told of each peer", function()
  it("is in the order of the list, with a share of the ring and a state", function()
    local p = peers.new "http://a:1"
    local urls = { "http://b:1", "http://a:1" }
    peers.set(p, urls)
    local seen, shares = {}, 0
    local each = ffi.cast("void (*)(void *, const struct peer_stats *)", function(_, s)
      seen[#seen + 1] = { ffi.string(s.url), s.self, s.up, ffi.string(s.state),
        ffi.string(s.view), s.differs == nil }
      shares = shares + tonumber(s.share)
    end)
    C.peers_each(p, each, nil)
    each:free()
    C.peers_free(p)
    assert.same({ { "http://b:1", 0, 1, "fine", "unknown", true },
      { "http://a:1", 1, 1, "fine", "unknown", true } }, seen)
    assert(math.abs(shares - 1e6) <= 2, shares)
  end)
end)
