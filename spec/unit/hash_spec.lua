-- SPDX-License-Identifier: MIT

local bit = require "bit"
local ffi = require "ffi"
local C = require("support.unit").load "base/hash.h"

local function random_bytes(n)
  local bytes = ffi.new("uint8_t[?]", n)
  for i = 0, n - 1 do
    bytes[i] = math.random(0, 255)
  end
  return ffi.string(bytes, n)
end

describe("crc32", function()
  -- IEEE 802.3, bit by bit.
  local function model(s)
    local c = bit.bnot(0)
    for i = 1, #s do
      c = bit.bxor(c, s:byte(i))
      for _ = 1, 8 do
        local low = bit.band(c, 1)
        c = bit.rshift(c, 1)
        if low == 1 then
          c = bit.bxor(c, 0xedb88320)
        end
      end
    end
    return bit.bnot(c) % 2 ^ 32
  end

  -- From Go's crc32.ChecksumIEEE; the ring of golang/groupcache is made of these.
  it("gives what Go's crc32.ChecksumIEEE gives", function()
    for s, want in pairs {
      [""] = 0,
      ["foo"] = 2356372769,
      ["user:12345"] = 1896767405,
      ["k\0\255"] = 2529235550,
      ["0http://10.0.0.1:8080"] = 2090179191,
      ["49http://10.0.0.3:8080"] = 529632893,
    } do
      assert.equal(want, C.hash_crc32(s, #s))
    end
  end)

  it("gives the check value of the CRC catalogues", function()
    assert.equal(0xcbf43926, C.hash_crc32("123456789", 9))
  end)

  it("agrees with the definition, bit by bit, at every length and alignment", function()
    math.randomseed(29)
    for n = 0, 300 do
      local s = random_bytes(n + 8)
      local at = math.random(0, 7)
      assert.equal(model(s:sub(at + 1, at + n)), C.hash_crc32(ffi.cast("const char *", s) + at, n))
    end
    for _ = 1, 50 do
      local s = random_bytes(math.random(300, 5000))
      assert.equal(model(s), C.hash_crc32(s, #s))
    end
  end)
end)

describe("SipHash", function()
  -- The algorithm of the paper with its two round counts open, so that the published vectors of
  -- SipHash-2-4 vouch for the model and the model for SipHash-1-3.
  local function model(s, k0, k1, c_rounds, d_rounds)
    local rol, bxor = bit.rol, bit.bxor
    local v0, v1 = bxor(k0, 0x736f6d6570736575ULL), bxor(k1, 0x646f72616e646f6dULL)
    local v2, v3 = bxor(k0, 0x6c7967656e657261ULL), bxor(k1, 0x7465646279746573ULL)

    local function rounds(n)
      for _ = 1, n do
        v0, v2 = v0 + v1, v2 + v3
        v1, v3 = rol(v1, 13), rol(v3, 16)
        v1, v3 = bxor(v1, v0), bxor(v3, v2)
        v0 = rol(v0, 32)
        v2, v0 = v2 + v1, v0 + v3
        v1, v3 = rol(v1, 17), rol(v3, 21)
        v1, v3 = bxor(v1, v2), bxor(v3, v0)
        v2 = rol(v2, 32)
      end
    end

    local function block(m)
      v3 = bxor(v3, m)
      rounds(c_rounds)
      v0 = bxor(v0, m)
    end

    local whole = #s - #s % 8
    for at = 1, whole, 8 do
      local m = 0ULL
      for i = 7, 0, -1 do
        m = m * 256 + s:byte(at + i)
      end
      block(m)
    end
    local last = (#s % 256) + 0ULL
    for i = 7, 1, -1 do
      last = last * 256 + (i <= #s % 8 and s:byte(whole + i) or 0)
    end
    block(last)
    v2 = bxor(v2, 0xff)
    rounds(d_rounds)
    return bxor(bxor(v0, v1), bxor(v2, v3))
  end

  -- The paper's key: bytes 00 to 0f.
  local K0, K1 = 0x0706050403020100ULL, 0x0f0e0d0c0b0a0908ULL
  local count = {}
  for i = 0, 63 do
    count[i + 1] = string.char(i)
  end
  count = table.concat(count) -- 00 01 02 ...

  it("has a model that gives the paper's value for SipHash-2-4", function()
    -- "SipHash: a fast short-input PRF", appendix A: bytes 00 to 0e.
    assert.equal(0xa129ca6149be45e5ULL, model(count:sub(1, 15), K0, K1, 2, 4))
    -- The reference implementation's first vector, of no bytes: 31 0e 0e dd 47 db 6f 72.
    assert.equal(0x726fdb47dd0e0e31ULL, model("", K0, K1, 2, 4))
  end)

  it("is SipHash-1-3 at every length", function()
    -- The first vector of Rust's test_siphash_1_3, of no bytes: dc c4 0f 05 58 01 ac ab.
    assert.equal(0xabac0158050fc4dcULL, C.hash_sip13("", 0, K0, K1))
    for n = 0, 64 do
      local s = count:sub(1, n)
      assert.equal(model(s, K0, K1, 1, 3), C.hash_sip13(s, n, K0, K1))
    end
  end)

  it("is SipHash-1-3 under random keys, over random bytes at any alignment", function()
    math.randomseed(31)
    local function word()
      return ffi.cast("uint64_t", math.random(0, 2 ^ 32 - 1)) * 2 ^ 32 + math.random(0, 2 ^ 32 - 1)
    end
    for _ = 1, 500 do
      local s, k0, k1 = random_bytes(math.random(8, 400)), word(), word()
      local at = math.random(0, 7)
      assert.equal(model(s:sub(at + 1), k0, k1, 1, 3),
        C.hash_sip13(ffi.cast("const char *", s) + at, #s - at, k0, k1))
    end
  end)

  it("hashes tables the same way all through the process, different keys differently", function()
    local seen = {}
    for i = 1, 10000 do
      local key = "key" .. i
      local h = C.hash_table(key, #key)
      assert.equal(h, C.hash_table(key, #key))
      assert.is_nil(seen[tostring(h)])
      seen[tostring(h)] = true
    end
  end)
end)
