-- SPDX-License-Identifier: MIT

-- Here nobody is told: the node is in no list, or the group is closed. Real nodes are told again in
-- two specs of faults: changes-behind-stopped-node and retries-of-each-group.

jit.off(true, true) -- the list calls back into Lua

local engine = require "unit.engine"
local ffi = require "ffi"
local peers = require "unit.peers"
local C = require("support.unit").load("change/retry.h", "change/keys.h", "peer/peers.h",
  "cache/group.h", "base/clock.h", "base/hash.h", "base/mem.h")

local SELF, A, B = "http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:3"
local FIRST_MS = 500 -- before a node is told again the first time

describe("an unconfirmed removal", function()
  local p, list, groups, asked, peers_of, again

  before_each(function()
    C.clock_hold(true)
    p = peers.new(SELF)
    peers.set(p, { SELF })
    groups, asked = { engine.group(), engine.group() }, {}
    peers_of = ffi.cast("struct peers *(*)(const struct group *)", function(g)
      asked[#asked + 1] = g
      return p
    end)
    again = ffi.cast("void (*)(void *, struct group *, enum batch_op, const struct keys *)",
      function() error "nobody has confirmed" end)
    list = C.retry_list_new(peers_of, again, nil)
  end)

  after_each(function()
    C.retry_list_free(list)
    peers_of:free()
    again:free()
    for _, g in ipairs(groups) do
      g:ended() -- the list has no reference any more
    end
    C.peers_free(p)
    C.clock_hold(false)
  end)

  local function add(url, g, ...)
    local names = { ... }
    local keys = ffi.new("struct key[?]", #names + 1)
    for i, name in ipairs(names) do
      keys[i - 1].bytes, keys[i - 1].n = name, #name
    end
    local all = ffi.new("struct keys", keys, #names)
    C.retry_add(list, ffi.new("struct retry_what", { group = g.c, url = url, op = C.BATCH_REMOVE,
      keys = all }))
  end

  local function tick()
    C.retry_tick(list, C.clock_ms())
  end

  local function count()
    return tonumber(C.retry_count(list))
  end

  it("is one for each pair of a node and a group, however many keys there are", function()
    assert.equal(0, count())
    add(A, groups[1], "a")
    add(A, groups[1], "b", "c")
    assert.equal(1, count())
    add(A, groups[2], "a")
    add(B, groups[1], "a")
    assert.equal(3, count())
  end)

  it("is told after half a second, of the group's own peers", function()
    add(A, groups[2], "a")
    C.clock_advance(FIRST_MS - 1)
    tick()
    assert.equal(0, #asked)
    C.clock_advance(1)
    tick()
    assert.equal(1, #asked)
    assert.is_true(asked[1] == groups[2].c)
  end)

  it("is forgotten if the node has left the list", function()
    add(A, groups[1], "a")
    add(A, groups[2], "a")
    C.clock_advance(FIRST_MS)
    tick()
    assert.equal(0, count())
  end)

  it("is forgotten if the group was closed, though the node is in the list", function()
    peers.set(p, { SELF, A })
    add(A, groups[1], "a")
    groups[1]:close()
    C.clock_advance(FIRST_MS)
    tick()
    assert.equal(0, count())
  end)

  it("waits for the time of its own node", function()
    add(A, groups[1], "a")
    C.clock_advance(FIRST_MS / 2)
    add(B, groups[1], "a")
    C.clock_advance(FIRST_MS / 2)
    tick()
    assert.equal(1, count())
    C.clock_advance(FIRST_MS / 2)
    tick()
    assert.equal(0, count())
  end)
end)
