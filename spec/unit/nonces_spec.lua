-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load("base/nonces.h")

local function nonce(number)
  local n = ffi.new "unsigned char[16]"
  ffi.cast("uint64_t *", n)[0] = 2 * number -- the lowest bit does not count
  return n
end

describe("nonces", function()
  local ns

  local function new(most, keep_ms)
    ns = ffi.gc(C.nonces_new(most, keep_ms), C.nonces_free)
  end

  it("are remembered for a time", function()
    new(10, 100)
    assert.equal(C.NONCES_NEW, C.nonces_use(ns, nonce(1), 1000))
    assert.equal(C.NONCES_USED, C.nonces_use(ns, nonce(1), 1000))
    assert.equal(C.NONCES_USED, C.nonces_use(ns, nonce(1), 1099))
    assert.equal(C.NONCES_NEW, C.nonces_use(ns, nonce(1), 1100))
  end)

  it("are as many as are allowed, and more once some have expired", function()
    new(3, 100)
    for i = 1, 3 do
      assert.equal(C.NONCES_NEW, C.nonces_use(ns, nonce(i), 1000 + i))
    end
    assert.equal(C.NONCES_FULL, C.nonces_use(ns, nonce(4), 1003))
    assert.equal(C.NONCES_USED, C.nonces_use(ns, nonce(2), 1003))
    assert.equal(C.NONCES_NEW, C.nonces_use(ns, nonce(4), 1101))
    assert.equal(C.NONCES_FULL, C.nonces_use(ns, nonce(5), 1101))
  end)

  it("are what a plain table says, whatever comes", function()
    math.randomseed(7)
    new(3000, 500)
    local expires, now = {}, 0
    for _ = 1, 60000 do
      now = now + math.random(0, 1)
      -- few low bits differ, so that many have one place in the index
      local number = math.random(0, 40) * 65536 + math.random(1, 60)
      local used = expires[number] and expires[number] > now
      assert.equal(used and C.NONCES_USED or C.NONCES_NEW, C.nonces_use(ns, nonce(number), now))
      expires[number] = used and expires[number] or now + 500
    end
  end)
end)
