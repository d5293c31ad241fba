-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local unit = require "support.unit"
local C = unit.load("peer/ring.h", "base/hash.h", "base/md5.h", "base/mem.h")

local NONE = 0xffffffffffffffffULL

describe("ring", function()
  local rings = {}

  local GOLANG = { hash = C.HASH_CRC32, points = C.RING_PLAIN }
  local FORKS = { hash = C.HASH_FNV1_64, points = C.RING_MD5 }

  local function try(peers, replicas, e, kind)
    kind = kind or GOLANG
    local names = ffi.new("const char *[?]", #peers + 1, peers)
    return C.ring_new(kind.hash, kind.points, names, #peers, replicas, e)
  end

  local function ring(peers, replicas, kind)
    local r = try(peers, replicas or 50, nil, kind)
    assert.is_true(r ~= nil)
    rings[#rings + 1] = r
    return r
  end

  local function owner(r, key)
    local i = C.ring_owner(r, key, #key)
    return i ~= NONE and tonumber(i) + 1 or nil -- a place in a Lua list
  end

  after_each(function()
    C.mem_fail_after(-1)
    for _, r in ipairs(rings) do
      C.ring_free(r)
    end
    rings = {}
  end)

  local three = { "http://10.0.0.1:8080", "http://10.0.0.2:8080", "http://10.0.0.3:8080" }

  describe("the shares of its peers", function()
    local function shares(peers, kind)
      local out = ffi.new("uint32_t[?]", #peers + 1)
      C.ring_shares(ring(peers, 50, kind), out, #peers)
      local list = {}
      for i = 1, #peers do
        list[i] = out[i - 1]
      end
      return list
    end

    it("are the parts of the circle, a million together", function()
      for _, kind in ipairs { GOLANG, FORKS } do
        local sum = 0
        for _, share in ipairs(shares(three, kind)) do
          assert.is_true(share > 100000 and share < 700000)
          sum = sum + share
        end
        assert.near(1e6, sum, 2)
      end
    end)

    it("are near the parts of many keys", function()
      local r, counts = ring(three), { 0, 0, 0 }
      for i = 1, 20000 do
        local o = owner(r, tostring(C.hash_sip13(tostring(i), #tostring(i), 1, 2)))
        counts[o] = counts[o] + 1
      end
      for i, share in ipairs(shares(three)) do
        assert.near(share / 1e6, counts[i] / 20000, 0.05)
      end
    end)

    it("are all of the circle for a peer that is alone, and none without peers", function()
      local lone = ffi.new("uint32_t[1]")
      C.ring_shares(ring({ "http://a" }, 1), lone, 1)
      assert.equal(1000000, lone[0])
      C.ring_shares(ring({}), lone, 0)
    end)
  end)

  local bare = { "10.0.0.1:8080", "10.0.0.2:8080", "10.0.0.3:8080" }

  -- Made with the Go libraries themselves, 50 replicas, the peers in this order: golang/groupcache
  -- at 2c02b82; mailgun/groupcache v2.6.0, whose ring modernprogram/groupcache has too; the last
  -- is what groupcache-go makes of peers without a scheme.
  local KEYS = { "", "foo", "bar", "baz", "a", "hello world", "user:1", "user:2", "user:3",
    "user:12345", "a/b", "k\0\255" }
  for name, golden in pairs {
    ["golang/groupcache"] = { kind = GOLANG, peers = three, count = { 34020, 30199, 35781 },
      owners = { 1, 1, 2, 3, 2, 2, 2, 1, 1, 3, 3, 1 } },
    ["mailgun/groupcache and modernprogram/groupcache"] = { kind = FORKS, peers = three,
      count = { 37900, 29500, 32600 }, owners = { 2, 2, 2, 2, 1, 1, 3, 3, 3, 1, 2, 3 } },
    ["groupcache-go"] = { kind = FORKS, peers = bare, count = { 40800, 24400, 34800 },
      owners = { 1, 1, 1, 1, 3, 3, 3, 3, 3, 1, 1, 1 } },
  } do
    describe(("places keys where %s does"):format(name), function()
      it("key by key", function()
        local r, owners = ring(golden.peers, 50, golden.kind), {}
        for i, key in ipairs(KEYS) do
          owners[i] = owner(r, key)
        end
        assert.same(golden.owners, owners)
      end)

      it("in number, over key0 to key99999", function()
        local r, counts = ring(golden.peers, 50, golden.kind), { 0, 0, 0 }
        for i = 0, 99999 do
          local at = owner(r, "key" .. i)
          counts[at] = counts[at] + 1
        end
        assert.same(golden.count, counts)
      end)

      it("in whatever order the peers are listed, as long as no points fall together", function()
        local p = golden.peers
        local r = ring({ p[3], p[1], p[2] }, 50, golden.kind)
        for i, key in ipairs(KEYS) do
          assert.equal(golden.owners[i] % 3 + 1, owner(r, key))
        end
      end)
    end)
  end

  it("owns nothing without peers", function()
    local r = ring {}
    assert.is_nil(owner(r, "key"))
    assert.is_nil(owner(r, ""))
  end)

  it("gives everything to a peer that is alone", function()
    for _, replicas in ipairs { 1, 50, C.RING_MAX_REPLICAS } do
      local r = ring({ "http://only" }, replicas)
      for i = 1, 1000 do
        assert(owner(r, "key" .. i) == 1)
      end
    end
  end)

  it("gives a peer's points to the place it is listed at last", function()
    local once, twice = ring(three), ring { three[1], three[2], three[3], three[1] }
    for i = 1, 10000 do
      local key = "key" .. i
      local at = owner(once, key)
      assert(owner(twice, key) == (at == 1 and 4 or at))
    end
  end)

  it("gives a point that two peers share to the one listed last", function()
    -- With one point each, peers whose points fall together own everything or nothing.
    local seen, a, b = {}, nil, nil
    math.randomseed(61)
    for _ = 1, 2000000 do -- 2^32 points: by the birthday bound some 80000 names do
      local name = ("http://%08x%08x"):format(math.random(2 ^ 31), math.random(2 ^ 31))
      local point = C.hash_crc32("0" .. name, #name + 1)
      if seen[point] and seen[point] ~= name then
        a, b = seen[point], name
        break
      end
      seen[point] = name
    end
    assert.is_not_nil(a)
    for _, peers in ipairs { { a, b }, { b, a } } do
      local r = ring(peers, 1)
      for i = 1, 100 do
        assert.equal(2, owner(r, "key" .. i))
      end
    end
  end)

  it("takes replicas from 1 to its limit and no others", function()
    local e = ffi.new "struct error"
    for _, replicas in ipairs { 0, C.RING_MAX_REPLICAS + 1, 2 ^ 32 - 1 } do
      assert.is_true(try(three, replicas, e) == nil)
      assert.equal(tonumber(C.ERR_INVAL), tonumber(e.code))
      assert.is_truthy(ffi.string(e.msg):find "replicas")
    end
    ring(three, 1)
    ring(three, C.RING_MAX_REPLICAS)
  end)

  it("refuses more points than its limit before it looks at a peer", function()
    local e = ffi.new "struct error"
    local too_many = C.RING_MAX_POINTS / 50 + 1
    assert.is_true(C.ring_new(C.HASH_CRC32, C.RING_PLAIN, nil, too_many, 50, e) == nil)
    assert.equal(tonumber(C.ERR_INVAL), tonumber(e.code))
  end)

  it("is nothing, with the reason, when memory runs out at any point", function()
    local e, n = ffi.new "struct error", 0
    while true do
      C.mem_fail_after(n)
      local r = try(three, 50, e)
      C.mem_fail_after(-1)
      if r ~= nil then
        C.ring_free(r)
        break
      end
      assert.equal(tonumber(C.ERR_NOMEM), tonumber(e.code))
      n = n + 1
    end
    assert.is_true(n > 1)
    C.ring_free(nil)
  end)

  describe("agrees with Go's algorithm: sort, then binary search", function()
    local function hash_of(kind, text)
      return 0ULL + C.hash_ring(kind.hash, text, #text)
    end

    local function point_of(kind, text)
      if kind.points == C.RING_PLAIN then
        return hash_of(kind, text)
      end
      local hex = ffi.new "char[32]"
      C.md5_hex(hex, text, #text)
      return hash_of(kind, ffi.string(hex, 32))
    end

    local function model(peers, replicas, kind)
      local peer_at, points = {}, {}
      for p, name in ipairs(peers) do
        for i = 0, replicas - 1 do
          local hash = point_of(kind, i .. name)
          if not peer_at[tostring(hash)] then
            points[#points + 1] = hash
          end
          peer_at[tostring(hash)] = p
        end
      end
      table.sort(points)
      return function(key)
        local hash = hash_of(kind, key)
        local low, high = 1, #points + 1
        while low < high do
          local middle = math.floor((low + high) / 2)
          if points[middle] >= hash then
            high = middle
          else
            low = middle + 1
          end
        end
        return peer_at[tostring(points[low] or points[1])]
      end
    end

    local function random_peers(n)
      local peers = {}
      for i = 1, n do
        peers[i] = ("http://10.%d.%d.%d:%d"):format(math.random(0, 255), math.random(0, 255),
          math.random(0, 255), math.random(1, 65535))
      end
      return peers
    end

    local function agree(peers, replicas, kind, keys, key_of)
      local r, want = ring(peers, replicas, kind), model(peers, replicas, kind)
      for i = 1, keys do
        local key = key_of(i)
        assert(owner(r, key) == want(key), key)
      end
    end

    local function any_key(i)
      return ("%d:%x"):format(i, math.random(0, 2 ^ 31))
    end

    local COUNT = unit.rounds(50000)

    for _, n in ipairs { 1, 3, 10, 100, 1000 } do
      it(("for %d peers and %d keys"):format(n, COUNT), function()
        math.randomseed(n)
        agree(random_peers(n), 50, GOLANG, COUNT, any_key)
        agree(random_peers(n), 50, FORKS, COUNT, any_key)
      end)
    end

    it("for every hash, with and without MD5", function()
      math.randomseed(97)
      for hash = 0, tonumber(C.HASH_KINDS) - 1 do
        for _, points in ipairs { C.RING_PLAIN, C.RING_MD5 } do
          agree(random_peers(20), 37, { hash = hash, points = points }, 3000, any_key)
        end
      end
    end)

    it("where a hash spreads badly: FNV-1 of texts that differ in their last bytes", function()
      -- Most points fall into a few slots of the index, and all keys of a run into one.
      for _, hash in ipairs { C.HASH_FNV1_32, C.HASH_FNV1_64 } do
        local peers = {}
        for i = 1, 200 do
          peers[i] = ("peer%03d"):format(i)
        end
        agree(peers, 3, { hash = hash, points = C.RING_PLAIN }, 5000, function(i)
          return "peer" .. i
        end)
      end
    end)
  end)
end)
