-- SPDX-License-Identifier: MIT

-- What modernprogram's clients put into the body of a GET, against protobuf-c.

local ffi = require "ffi"
local messages = require "support.messages"
local C = require("support.unit").load("wire/getrequest.h", "base/mem.h")

local P = require "unit.shim"([[
#include "groupcache.pb-c.h"

static ProtobufCBinaryData data(const uint8_t *p, size_t n)
{
    ProtobufCBinaryData d = {n, (uint8_t *)(size_t)p};
    return d;
}

size_t pack_get(const uint8_t *group, size_t ng, const uint8_t *key, size_t nk,
                const uint8_t *ctx1, size_t n1, const uint8_t *ctx2, size_t n2, uint8_t *out)
{
    Groupcachepb__ModernGetRequest m = GROUPCACHEPB__MODERN_GET_REQUEST__INIT;

    m.group = data(group, ng);
    m.key = data(key, nk);
    m.ctx1 = data(ctx1, n1);
    m.ctx2 = data(ctx2, n2);
    return groupcachepb__modern_get_request__pack(&m, out);
}
]], [[
size_t pack_get(const char *group, size_t ng, const char *key, size_t nk, const char *ctx1,
                size_t n1, const char *ctx2, size_t n2, uint8_t *out);
]])

local INVAL, NOMEM = tonumber(C.ERR_INVAL), tonumber(C.ERR_NOMEM)

local function get(bytes)
  return messages.judged(bytes, C.getrequest_check)
end

describe("a GetRequest of modernprogram", function()
  local whole = "\x0a\x01g\x12\x01k\x1a\x01a\x22\x01b"

  it("is taken", function()
    assert.is_true(get(whole))
    assert.is_true(get "\x0a\x00\x12\x00\x1a\x00\x22\x00")
    assert.is_true(get("\x28\x01\x08\x01" .. whole .. "\x0a\x01h\x7a\x02xy"))
  end)

  it("is taken as protobuf-c writes it", function()
    math.randomseed(113)
    for _ = 1, 300 do
      local t = {}
      for i = 1, 4 do
        t[i] = messages.random_bytes(math.random(0, 200))
      end
      local out = ffi.new("uint8_t[?]", 900)
      local n = P.pack_get(t[1], #t[1], t[2], #t[2], t[3], #t[3], t[4], #t[4], out)
      assert.is_true(get(ffi.string(out, n)))
    end
  end)

  it("is refused when it is cut, and says what it lacks", function()
    for n = 0, #whole - 1 do
      local ok, code, text = get(whole:sub(1, n))
      assert.is_false(ok)
      assert.equal(INVAL, code)
      if n % 3 == 0 then
        assert.equal(("a GetRequest of %d bytes holds no %s"):format(n,
          ({ "group", "key", "ctx1", "ctx2" })[n / 3 + 1]), text)
      else
        assert.matches("^malformed GetRequest near byte %d+ of " .. n, text)
      end
    end
  end)

  it("is refused with too many fields that it does not need, and says when there is no memory",
    function()
      assert.is_true(get(("\x28\x01"):rep(64) .. whole))
      assert.same({ false, INVAL, "a GetRequest with more than 64 fields that it does not need" },
        { get(("\x28\x01"):rep(65) .. whole) })
      C.mem_fail_after(1)
      assert.equal(NOMEM, (select(2, get(whole))))
      C.mem_fail_after(-1)
    end)

  it("survives garbage", function()
    math.randomseed(127)
    for _ = 1, 20000 do
      get(messages.random_bytes(math.random(0, 24)))
    end
  end)
end)
