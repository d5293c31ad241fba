-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load("peer/balance.h", "peer/ring.h", "base/mem.h")

describe("balance", function()
  local b

  local function new(n)
    C.balance_free(b)
    b = C.balance_new(n)
    return b
  end

  after_each(function()
    C.mem_fail_after(-1)
    C.balance_free(b)
    b = nil
  end)

  -- Counts keys until it says something; place_of(i) is the owner's place, key_of(i) the key.
  -- Returns the skew and the number of keys, or nil.
  local function count(n, place_of, key_of)
    local skew = ffi.new "struct balance_skew"
    for i = 1, n do
      local key = key_of and key_of(i) or "key" .. i
      if C.balance_count(b, key, #key, place_of(i), skew) == 1 then
        return { busiest = tonumber(skew.busiest), keys = tonumber(skew.keys),
          share = skew.share }, i
      end
    end
  end

  it("says nothing about keys that are spread", function()
    new(3)
    assert.is_nil((count(5000, function(i) return i % 3 end)))
  end)

  it("says once who has more than twice what the others have", function()
    new(3)
    local skew, at = count(5000, function(i) return i % 10 < 6 and 2 or i % 2 end)
    assert.equal(2, skew.busiest)
    assert.equal(1000, skew.keys)
    assert(math.abs(skew.share - 0.6) < 0.02, skew.share)
    assert.is_true(at >= 1000 and at < 1100) -- a few share a bit with another key
    assert.is_nil((count(5000, function() return 0 end)))
  end)

  for _, case in ipairs { { 2, 0.63, 0.70 }, { 3, 0.47, 0.53 }, { 10, 0.165, 0.20 } } do
    it(("draws the line at twice the others' average, of %d peers"):format(case[1]), function()
      local others = case[1] - 1
      for i, share in ipairs { case[2], case[3] } do
        new(case[1])
        local skew = count(5000, function(k)
          -- evenly spread over time, so that the first thousand are like all
          return math.floor(k * share) > math.floor((k - 1) * share) and others or k % others
        end)
        assert.equal(i == 2, skew ~= nil, share)
      end
    end)
  end

  it("counts a key once, however often it is asked for", function()
    new(2)
    assert.is_nil((count(20000, function() return 0 end, function(i) return "hot" .. i % 100 end)))
    local skew = count(5000, function(i) return i % 2 end)
    assert.is_nil(skew)
  end)

  it("wants more keys of many peers", function()
    new(100)
    local skew, at = count(20000, function(i) return i % 2 == 0 and 7 or i % 100 end)
    assert.equal(7, skew.busiest)
    assert.equal(5000, skew.keys)
    assert.is_true(at >= 5000 and at < 5500)
  end)

  it("has nothing to say about one peer, or without memory", function()
    assert.is_true(new(0) == nil)
    assert.is_true(new(1) == nil)
    assert.is_nil((count(2000, function() return 0 end)))
    for n = 0, 1 do
      C.mem_fail_after(n)
      assert.is_true(new(3) == nil)
      C.mem_fail_after(-1)
    end
  end)

  -- Go's rings, peers as they are in life: which of them a warning is about.
  describe("judges the ring of", function()
    local function judged(hash, points, n, key_of)
      local names = ffi.new("const char *[?]", n)
      local anchor = {}
      for i = 1, n do
        anchor[i] = ("http://10.0.0.%d:8080"):format(i)
        names[i - 1] = anchor[i]
      end
      local ring = ffi.gc(C.ring_new(hash, points, names, n, 50, nil), C.ring_free)
      new(n)
      return count(20000, function(i)
        local key = key_of(i)
        return tonumber(C.ring_owner(ring, key, #key))
      end, key_of) ~= nil
    end

    local function number(i)
      return "user:1" .. 10000 + i
    end
    local function anything(i)
      return ("%08x:%04x"):format(i * 2654435761 % 2 ^ 32, i * 40503 % 2 ^ 16)
    end

    for _, n in ipairs { 2, 3, 10, 20, 100 } do
      it(("golang as fair, the forks' as unfair to numbers: %d peers"):format(n), function()
        assert.is_false(judged(C.HASH_CRC32, C.RING_PLAIN, n, number))
        assert.is_false(judged(C.HASH_CRC32, C.RING_PLAIN, n, anything))
        assert.is_true(judged(C.HASH_FNV1_64, C.RING_MD5, n, number))
        assert.is_false(judged(C.HASH_FNV1_64, C.RING_MD5, n, anything))
      end)
    end
  end)
end)
