-- SPDX-License-Identifier: MIT

-- Our ring against golang/groupcache's own consistenthash package, key by key.

local ffi = require "ffi"
local golang = require "interop.golang"
local keys = require "interop.keys"
local unit = require "support.unit"

local C = unit.load "peer/ring.h"

-- 10.0.x.y:8080 is what a ring really looks like: names that differ in a digit or two.
local function peer_urls(n)
  local urls = {}
  for i = 1, n do
    urls[i] = ("http://10.0.%d.%d:8080"):format(math.floor(i / 200), i % 200 + 1)
  end
  return urls
end

local function our_ring(peers, replicas, hash)
  local names = ffi.new("const char *[?]", #peers, peers)
  local e = ffi.new "struct error"
  local ring = C.ring_new(hash or C.HASH_CRC32, C.RING_PLAIN, names, #peers, replicas, e)
  assert(ring ~= nil, ffi.string(e.msg))
  return ffi.gc(ring, C.ring_free)
end

-- The place of the owner in the list, from 1.
local function our_owner(ring, key)
  return tonumber(C.ring_owner(ring, key, #key)) + 1
end

-- Asks ours for all of Go's keys: name(i) is the i-th.
local function agree(peers, replicas, theirs, name, hash)
  local ring = our_ring(peers, replicas, hash)
  local different, example = 0, nil
  for i, want in ipairs(theirs) do
    local got = our_owner(ring, name(i))
    if got ~= want then
      different = different + 1
      example = example or ("%s: Go says %s, ours %s"):format(keys.show(name(i)), peers[want],
        tostring(peers[got]))
    end
  end
  assert(different == 0, ("%d of %d keys differ, the first %s"):format(different, #theirs,
    tostring(example)))
end

local function counted(i)
  return "key" .. i - 1
end

describe("the ring", function()
  for _, case in ipairs {
    { peers = 1, replicas = 50 }, { peers = 3, replicas = 50 }, { peers = 10, replicas = 50 },
    { peers = 100, replicas = 50 }, { peers = 3, replicas = 1 }, { peers = 10, replicas = 37 },
    { peers = 100, replicas = 733 },
  } do
    it(("gives 100,000 keys Go's owners: %d peers, %d replicas"):format(case.peers, case.replicas),
      function()
        local peers = peer_urls(case.peers)
        local theirs = golang.owners(peers, case.replicas, { n = 100000 })
        assert.equal(100000, #theirs)
        agree(peers, case.replicas, theirs, counted)
      end)
  end

  for hash, kind in pairs { ["fnv1-32"] = C.HASH_FNV1_32, ["fnv1a-32"] = C.HASH_FNV1A_32 } do
    it("gives Go's owners with another HashFn: " .. hash, function()
      local peers = peer_urls(10)
      agree(peers, 50, golang.owners(peers, 50, { n = 100000, hash = hash }), counted, kind)
    end)
  end

  it("agrees on the very points of the ring", function()
    local peers, replicas = peer_urls(100), 1000
    local theirs = golang.owners(peers, replicas, { points = true })
    assert.equal(100000, #theirs)
    agree(peers, replicas, theirs, function(i)
      return (i - 1) % replicas .. peers[math.floor((i - 1) / replicas) + 1]
    end)
  end)

  it("lets the last peer of the list win where points coincide, as Go's ring does", function()
    -- crc32 cannot tell these two names apart, whatever stands before or behind them: they share
    -- every point.
    local twins = { "http://plumless:8080", "http://buckeroo:8080" }
    for _, peers in ipairs {
      { twins[1], "http://10.0.0.3:8080", twins[2] },
      { twins[2], twins[1], "http://10.0.0.3:8080" },
    } do
      local theirs = golang.owners(peers, 50, { n = 1000 })
      local owned = { 0, 0, 0 }
      for _, owner in ipairs(theirs) do
        owned[owner] = owned[owner] + 1
      end
      assert.equal(0, owned[1])
      agree(peers, 50, theirs, counted)
      agree(peers, 50, golang.owners(peers, 50, { points = true }), function(i)
        return (i - 1) % 50 .. peers[math.floor((i - 1) / 50) + 1]
      end)
    end
  end)

  it("agrees on keys of every kind", function()
    local peers = peer_urls(7)
    local list = {}
    for i, entry in ipairs(keys.all()) do
      list[i] = entry.key
    end
    agree(peers, 50, golang.owners(peers, 50, { keys = list }), function(i)
      return list[i]
    end)
  end)

  it("hangs on the peers' exact bytes, as Go's does", function()
    for _, peers in ipairs {
      { "http://10.0.0.1:8080", "http://10.0.0.1:8080/", "HTTP://10.0.0.1:8080" },
      { "a", "b", "" }, { "http://é:1", "http://[::1]:80", "0", "00" },
    } do
      agree(peers, 50, golang.owners(peers, 50, { n = 1000 }), counted)
    end
  end)

  it("owns nothing when it is empty", function()
    local ring = our_ring({}, 50)
    assert.is_true(C.ring_owner(ring, "key", 3) == 0xffffffffffffffffULL) -- SIZE_MAX
  end)
end)
