-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local engine = require "unit.engine"
local peers = require "unit.peers"
local C = require("support.unit").load("change/missed.h", "peer/peers.h", "base/buf.h",
  "base/hash.h")

-- What peers answer is in spec/node/snapshot_spec.lua.
describe("missed changes", function()
  local p, g

  before_each(function()
    p = peers.new "http://127.0.0.1:1"
    g = engine.group()
  end)

  after_each(function()
    g:ended()
    C.peers_free(p)
  end)

  it("of a group without other nodes are none, and nobody is asked", function()
    local names = ffi.new "struct buf"
    C.buf_init(names, 0)
    assert.equal(1, C.missed_is_alone(g.c, p))
    assert.equal(0, C.missed_wait(C.missed_ask(g.c, p, 1000, 1000), names))
    assert.equal(0, tonumber(names.len))
  end)

  it("are asked for if there are other nodes", function()
    local list = ffi.new("const char *[2]", { "http://127.0.0.1:1", "http://127.0.0.1:2" })
    assert.equal(0, tonumber(C.peers_set(p, list, 2, ffi.new "struct error")))
    assert.equal(0, C.missed_is_alone(g.c, p))
  end)
end)
