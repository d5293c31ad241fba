-- SPDX-License-Identifier: MIT

local bit = require "bit"
local ffi = require "ffi"
local C = require("support.unit").load("base/hash.h", "base/md5.h")

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

describe("FNV", function()
  -- Multiplies by adding, one bit at a time, so that it shares no code with the C.
  local function model(s, bits, first_multiply)
    local wide = bits == 64
    local h = wide and 0xcbf29ce484222325ULL or 0x811c9dc5ULL
    local prime = wide and 0x100000001b3ULL or 0x01000193ULL
    local function multiply(x)
      local sum, p = 0ULL, prime
      while p ~= 0 do
        sum = p % 2 == 1 and sum + x or sum
        x, p = x + x, p / 2
      end
      return wide and sum or sum % 2 ^ 32
    end
    for i = 1, #s do
      if first_multiply then
        h = bit.bxor(multiply(h), 0ULL + s:byte(i))
      else
        h = multiply(bit.bxor(h, 0ULL + s:byte(i)))
      end
    end
    return h
  end

  -- As the rings of the Go forks have it, from their own code.
  it("gives what Go's fasthash/fnv1 gives", function()
    for s, want in pairs {
      [""] = 14695981039346656037ULL,
      ["foo"] = 15621798640163566899ULL,
      ["user:12345"] = 10241126731453870355ULL,
      ["k\0\255"] = 15617058645535295275ULL,
    } do
      assert.equal(want, C.hash_fnv1_64(s, #s))
    end
  end)

  it("gives the published values of \"foobar\"", function()
    -- The test vectors that come with the FNV reference code.
    assert.equal(0x31f0b262, C.hash_fnv1_32("foobar", 6))
    assert.equal(0xbf9cf968, C.hash_fnv1a_32("foobar", 6))
    assert.equal(0x340d8765a4dda9c2ULL, C.hash_fnv1_64("foobar", 6))
    assert.equal(0x85944171f73967e8ULL, C.hash_fnv1a_64("foobar", 6))
  end)

  it("agrees with the definition on random bytes", function()
    math.randomseed(83)
    for _ = 1, 300 do
      local s = random_bytes(math.random(0, 40))
      assert.equal(model(s, 32, true), 0ULL + C.hash_fnv1_32(s, #s))
      assert.equal(model(s, 32, false), 0ULL + C.hash_fnv1a_32(s, #s))
      assert.equal(model(s, 64, true), C.hash_fnv1_64(s, #s))
      assert.equal(model(s, 64, false), C.hash_fnv1a_64(s, #s))
    end
  end)
end)

describe("MurmurHash64A", function()
  it("has the values of the reference, for any rest of eight bytes", function()
    if not ffi.abi "le" then
      return
    end
    for text, want in pairs {
      [""] = 0ULL, a = 0x071717d2d36b6b11ULL, foobar = 0xd49f461720d7a196ULL,
      ["12345678"] = 0x758f67d162b2d202ULL, ["hello, world, 17 b"] = 0x93d282920c0d4a6eULL } do
      assert.equal(want, C.hash_murmur64(text, #text))
    end
  end)
end)

describe("md5", function()
  local function md5(s)
    local out = ffi.new "char[33]"
    out[32] = 0x55
    C.md5_hex(out, s, #s)
    assert.equal(0x55, out[32]) -- no byte more
    return ffi.string(out, 32)
  end

  it("gives the values of RFC 1321", function()
    for s, want in pairs {
      [""] = "d41d8cd98f00b204e9800998ecf8427e",
      ["a"] = "0cc175b9c0f1b6a831c399e269772661",
      ["abc"] = "900150983cd24fb0d6963f7d28e17f72",
      ["message digest"] = "f96b697d7cb7938d525a2f31aaf161d0",
      ["abcdefghijklmnopqrstuvwxyz"] = "c3fcd3d76192e4007dfb496cca67e13b",
      ["ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"]
        = "d174ab98d277d9f5a5611c2c9f419d9f",
      [("1234567890"):rep(8)] = "57edf4a22be3c955ac49da2e2107b67a",
    } do
      assert.equal(want, md5(s))
    end
  end)

  it("names a point of a ring as the Go forks do", function()
    local hex = md5 "0http://10.0.0.1:8080"
    assert.equal("11a206fb3c4ccca6df16d7cd0df87d41", hex)
    assert.equal(14648600840645618861ULL, C.hash_fnv1_64(hex, 32))
    hex = md5 "49http://10.0.0.3:8080"
    assert.equal(6757389812498349044ULL, C.hash_fnv1_64(hex, 32))
    hex = md5 "010.0.0.1:8080"
    assert.equal(5946141185123236519ULL, C.hash_fnv1_64(hex, 32))
  end)

  it("agrees with md5sum at every length around its blocks", function()
    local tmp = require "support.tmp"
    math.randomseed(89)
    local dir, sums = tmp.dir(), {}
    for n = 0, 200 do
      local s = random_bytes(n)
      tmp.write(("%s/%03d"):format(dir, n), s)
      sums[n + 1] = md5(s)
    end
    local p = assert(io.popen("cd " .. dir .. " && md5sum *"))
    local theirs = {}
    for hex in p:read("*a"):gmatch "(%x+)  %d+\n" do
      theirs[#theirs + 1] = hex
    end
    p:close()
    assert.same(theirs, sums)
  end)
end)

describe("the functions a ring may be made with", function()
  it("have names", function()
    local names = {}
    for kind = 0, tonumber(C.HASH_KINDS) - 1 do
      names[kind + 1] = ffi.string(C.hash_kind_name(kind))
      assert.equal(kind, C.hash_kind_from_name(names[kind + 1]))
    end
    assert.same({ "crc32", "fnv1-32", "fnv1a-32", "fnv1-64", "fnv1a-64" }, names)
    for _, name in ipairs { "", "CRC32", "fnv1", "md5" } do
      assert.equal(-1, C.hash_kind_from_name(name))
    end
  end)

  it("are those of that name, as wide as the name says", function()
    local s = "user:12345"
    for kind, want in pairs {
      [tonumber(C.HASH_CRC32)] = { 32, 0ULL + C.hash_crc32(s, #s) },
      [tonumber(C.HASH_FNV1_32)] = { 32, 0ULL + C.hash_fnv1_32(s, #s) },
      [tonumber(C.HASH_FNV1A_32)] = { 32, 0ULL + C.hash_fnv1a_32(s, #s) },
      [tonumber(C.HASH_FNV1_64)] = { 64, C.hash_fnv1_64(s, #s) },
      [tonumber(C.HASH_FNV1A_64)] = { 64, C.hash_fnv1a_64(s, #s) },
    } do
      assert.equal(want[1], C.hash_kind_bits(kind))
      assert.equal(want[2], C.hash_ring(kind, s, #s))
    end
  end)
end)

describe("SipHash", function()
  -- The algorithm of the paper, for any two counts of rounds. The published vectors of SipHash-2-4
  -- vouch for the model, and the model vouches for SipHash-1-3.
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

  -- CRC-32 is linear: a key that is changed by multiples of its polynomial has the same.
  it("spreads keys that were made to have one CRC-32", function()
    local POLY, BYTES, KEYS, BUCKETS = 0x04c11db7, 64, 4000, 1024
    local function toggle(bytes, k)
      bytes[math.floor(k / 8)] = bit.bxor(bytes[math.floor(k / 8)], bit.lshift(1, k % 8))
    end
    math.randomseed(24)
    local crc, used, n, bytes = nil, {}, 0, ffi.new("uint8_t[?]", BYTES)
    for _ = 1, KEYS do
      for _ = 1, 3 do
        local at = math.random(0, BYTES * 8 - 33)
        toggle(bytes, at)
        for j = 1, 32 do
          if bit.band(bit.rshift(POLY, 32 - j), 1) == 1 then
            toggle(bytes, at + j)
          end
        end
      end
      local key = ffi.string(bytes, BYTES)
      crc = crc or C.hash_crc32(key, BYTES)
      assert.equal(crc, C.hash_crc32(key, BYTES))
      local bucket = tonumber(C.hash_table(key, BYTES) % BUCKETS)
      used[bucket] = (used[bucket] or 0) + 1
      n = math.max(n, used[bucket])
    end
    assert(n <= 30, n) -- four on average; the rest is chance
  end)
end)
