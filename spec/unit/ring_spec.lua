-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load("cache/ring.h", "base/hash.h", "base/mem.h")

local NONE = 0xffffffffffffffffULL

describe("ring", function()
  local rings = {}

  local function try(peers, replicas, e)
    local names = ffi.new("const char *[?]", #peers + 1, peers)
    return C.ring_new(C.RING_CRC32, names, #peers, replicas, e)
  end

  local function ring(peers, replicas)
    local r = try(peers, replicas or 50, nil)
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

  describe("places keys where golang/groupcache does", function()
    -- Made with golang/groupcache at 2c02b82: consistenthash.New(50, nil), the peers in this order.
    local golden = { [""] = 1, foo = 1, bar = 2, baz = 3, a = 2, ["hello world"] = 2,
      ["user:1"] = 2, ["user:2"] = 1, ["user:3"] = 1, ["user:12345"] = 3, ["a/b"] = 3,
      ["k\0\255"] = 1 }

    it("key by key", function()
      local r = ring(three)
      for key, want in pairs(golden) do
        assert.equal(want, owner(r, key))
      end
    end)

    it("in number, over key0 to key99999", function()
      local r, counts = ring(three), { 0, 0, 0 }
      for i = 0, 99999 do
        local at = owner(r, "key" .. i)
        counts[at] = counts[at] + 1
      end
      assert.same({ 34020, 30199, 35781 }, counts)
    end)

    it("in whatever order the peers are listed, as long as no points fall together", function()
      local r = ring { three[3], three[1], three[2] }
      for key, want in pairs(golden) do
        assert.equal(want % 3 + 1, owner(r, key))
      end
    end)
  end)

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
    assert.is_true(C.ring_new(C.RING_CRC32, nil, too_many, 50, e) == nil)
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
    local function model(peers, replicas)
      local peer_at, points = {}, {}
      for p, name in ipairs(peers) do
        for i = 0, replicas - 1 do
          local text = i .. name
          local hash = C.hash_crc32(text, #text)
          if not peer_at[hash] then
            points[#points + 1] = hash
          end
          peer_at[hash] = p
        end
      end
      table.sort(points)
      return function(key)
        local hash = C.hash_crc32(key, #key)
        local low, high = 1, #points + 1
        while low < high do
          local middle = math.floor((low + high) / 2)
          if points[middle] >= hash then
            high = middle
          else
            low = middle + 1
          end
        end
        return peer_at[points[low] or points[1]]
      end
    end

    for _, n in ipairs { 1, 3, 10, 100, 1000 } do
      it(("for %d peers and 100000 keys"):format(n), function()
        math.randomseed(n)
        local peers = {}
        for i = 1, n do
          peers[i] = ("http://10.%d.%d.%d:%d"):format(math.random(0, 255), math.random(0, 255),
            math.random(0, 255), math.random(1, 65535))
        end
        local r, want = ring(peers), model(peers, 50)
        for i = 1, 100000 do
          local key = ("%d:%x"):format(i, math.random(0, 2 ^ 31))
          assert(owner(r, key) == want(key), key)
        end
      end)
    end
  end)
end)
