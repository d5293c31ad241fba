-- SPDX-License-Identifier: MIT

-- spec/node/agree_spec.lua has what is told of a peer's ring.

jit.off(true, true)

local ffi = require "ffi"
local C = require("support.unit").load("peer/peers.h", "peer/peer_in.h", "base/hash.h")

describe("what is told of each peer", function()
  it("is in the order of the list, with a share of the ring and a state", function()
    local o, e = ffi.new "struct peers_opts", ffi.new "struct error"
    o.dialect, o.hash = C.DIALECT_GOLANG, C.HASH_CRC32
    o.self, o.base_path, o.replicas = "http://a:1", "/_groupcache/", 50
    local p = C.peers_new(o, nil)
    local urls = { "http://b:1", "http://a:1" }
    assert.equal(0, tonumber(C.peers_set(p, ffi.new("const char *[2]", urls), 2, e)))
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
