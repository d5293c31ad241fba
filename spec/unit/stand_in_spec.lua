-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local peers = require "unit.peers"
local C = require("support.unit").load("peer/stand_in.h", "peer/peers.h", "net/fetch.h",
  "cache/flight.h", "base/clock.h")

describe("a load at a stand-in", function()
  local function headers_of(...)
    local flights, list = {}, ffi.new("struct flight *[?]", select("#", ...))
    for i, fields in ipairs { ... } do
      flights[i] = ffi.new("struct flight", fields)
      list[i - 1] = flights[i]
    end
    local o, headers = ffi.new "struct fetch_opts", ffi.new "const char *[2]"
    C.stand_in_put(o, headers, list, #flights)
    return tonumber(o.n_headers), o.n_headers > 0 and ffi.string(headers[0]) or nil
  end

  it("is marked in its request, also among other loads", function()
    assert.equal(0, headers_of({ asked = 1 }, { asked = 1 }))
    local n, header = headers_of({ asked = 1 }, { asked = 1, passing = 1 })
    assert.equal(1, n)
    assert.equal("X-Groupcache-Stand-In: 1", header)
    assert.equal(1, (headers_of { asked = 2 }))
  end)

  it("is noted by the node that is asked, and never seems older than it is", function()
    local p = peers.new "http://127.0.0.1:1"
    assert.equal(-1ULL, C.stand_in_ago_ms(p))
    C.stand_in_note(p)
    C.clock_advance(1000)
    local ago = tonumber(C.stand_in_ago_ms(p))
    C.peers_free(p)
    assert(ago >= 999 and ago < 2000, ago)
  end)
end)
