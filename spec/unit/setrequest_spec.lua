-- SPDX-License-Identifier: MIT

-- What nodes of the forks put into the bodies of their requests, against protobuf-c.

local bit = require "bit"
local ffi = require "ffi"
local messages = require "support.messages"
local C = require("support.unit").load("wire/setrequest.h", "base/mem.h")

local P = require "unit.shim"([[
#include <string.h>
#include "groupcache.pb-c.h"

struct parts { size_t len[4]; int64_t expire; };

static ProtobufCBinaryData data(const uint8_t *p, size_t n)
{
    ProtobufCBinaryData d = {n, (uint8_t *)(size_t)p};
    return d;
}

size_t pack_set(const uint8_t *group, size_t ng, const uint8_t *key, size_t nk,
                const uint8_t *value, size_t nv, int64_t expire, uint8_t *out)
{
    Groupcachepb__SetRequest m = GROUPCACHEPB__SET_REQUEST__INIT;

    m.group = data(group, ng);
    m.key = data(key, nk);
    m.has_value = m.has_expire = 1;
    m.value = data(value, nv);
    m.expire = expire;
    return groupcachepb__set_request__pack(&m, out);
}

int judge_set(const uint8_t *in, size_t n)
{
    Groupcachepb__SetRequest *m = groupcachepb__set_request__unpack(NULL, n, in);

    if (m)
        groupcachepb__set_request__free_unpacked(m, NULL);
    return m != NULL;
}
]], [[
size_t pack_set(const char *group, size_t ng, const char *key, size_t nk, const char *value,
                size_t nv, int64_t expire, uint8_t *out);
int judge_set(const char *in, size_t n);
]])

local INVAL, NOMEM = tonumber(C.ERR_INVAL), tonumber(C.ERR_NOMEM)

-- A table of what it says; or nil, code, message.
local function set(bytes)
  local out = ffi.new "struct setrequest"
  local ok, code, text = messages.judged(bytes, function(copy, n, e)
    return C.setrequest_decode(copy, n, out, e)
  end)
  if not ok then
    assert(out.memory == nil, "memory is left behind a failure")
    return nil, code, text
  end
  local found = { expire = out.expire_ns } -- the message has been freed
  for _, name in ipairs { "group", "key", "value" } do
    found[name] = ffi.string(out[name], out[name .. "_len"])
  end
  C.setrequest_deinit(out)
  return found
end

local put = messages.set_request

-- Go's SetRequest(g, k, v, 0), by the encoding rules.
local GOLDEN = "\x0a\x01g\x12\x01k\x1a\x01v\x20\x00"

describe("a SetRequest", function()
  it("is written as Go writes it", function()
    assert.equal(GOLDEN, put("g", "k", "v", 0))
    assert.equal("\x0a\x01g\x12\x01k\x1a\x01v\x20\x85\x80\xd8\xce\xc0\xef\xdc\xad\x43",
      put("g", "k", "v", 4853600000000000005LL))
    assert.equal("\x0a\x00\x12\x00\x1a\x00\x20\x00", put("", "", "", 0))
  end)

  it("is read as Go writes it", function()
    assert.same({ group = "g", key = "k", value = "v", expire = 0LL }, set(GOLDEN))
    assert.equal(4853600000000000005LL,
      set("\x0a\x01g\x12\x01k\x1a\x01v\x20\x85\x80\xd8\xce\xc0\xef\xdc\xad\x43").expire)
  end)

  it("is what protobuf-c writes, and is read back, for any bytes", function()
    math.randomseed(103)
    for _ = 1, 500 do
      local group = messages.random_bytes(math.random(0, 20))
      local key = messages.random_bytes(math.random(0, 200))
      local value = messages.random_bytes(math.random(0, 300))
      local expire = ffi.cast("int64_t", math.random(0, 2 ^ 31)) * 2 ^ 31 - math.random(0, 2 ^ 31)
      local out = ffi.new("uint8_t[?]", 700)
      local n = P.pack_set(group, #group, key, #key, value, #value, expire, out)
      local bytes = put(group, key, value, expire)
      assert.equal(ffi.string(out, n), bytes)
      assert.same({ group = group, key = key, value = value, expire = expire }, set(bytes))
    end
  end)

  it("needs a group and a key, and no more", function()
    assert.same({ group = "g", key = "k", value = "", expire = 0LL }, set "\x0a\x01g\x12\x01k")
    local _, _, text = set "\x0a\x01g\x1a\x01v"
    assert.equal("a SetRequest of 6 bytes holds no key", text)
    _, _, text = set "\x12\x01k"
    assert.equal("a SetRequest of 3 bytes holds no group", text)
    assert.is_nil((set ""))
  end)

  it("skips unknown members, and takes the last of several", function()
    assert.same({ group = "h", key = "k", value = "w", expire = 3LL },
      set("\x0a\x01g\x12\x01k\x1a\x01v\x0a\x01h\x1a\x01w\x20\x07\x20\x03\x28\x01\x7a\x02xy"))
    -- a known field of another wire type is an unknown one
    assert.same({ group = "g", key = "k", value = "v", expire = 0LL },
      set(GOLDEN .. "\x08\x01\x10\x01\x18\x01\x22\x01x"))
  end)

  it("is refused when it is cut anywhere but between two fields", function()
    local whole = put("group", "key", ("v"):rep(200), 4853600000000000005LL)
    local ends = { [12] = true, [12 + 203] = true }
    for n = 0, #whole - 1 do
      local found = set(whole:sub(1, n))
      assert.equal(ends[n] or false, found ~= nil, n)
    end
  end)

  it("is taken if protobuf-c takes it, for 30000 messages with a bit flipped", function()
    math.randomseed(107)
    local good, taken = put("group", "key", "value", 4853600000000000005LL), 0
    for _ = 1, 30000 do
      local at = math.random(#good)
      local bytes = good:sub(1, at - 1)
        .. string.char(bit.bxor(good:byte(at), 2 ^ math.random(0, 7))) .. good:sub(at + 1)
      local found = set(bytes)
      taken = taken + (found and 1 or 0)
      -- protobuf-c refuses more: a known field of another wire type, for one
      assert(found or P.judge_set(bytes, #bytes) == 0, ("%q"):format(bytes))
    end
    assert.is_true(taken > 1000)
  end)

  it("survives garbage", function()
    math.randomseed(109)
    for _ = 1, 20000 do
      set(messages.random_bytes(math.random(0, 24)))
    end
  end)

  it("may have 64 fields that it does not need, and not one more", function()
    for _, spare in ipairs { "\x28\x01", "\x7a\x02xy", "\x1a\x01w", "\x08\x01" } do
      assert.equal("k", set(spare:rep(64) .. GOLDEN).key)
      local _, code, text = set(spare:rep(65) .. GOLDEN)
      assert.same({ INVAL, "a SetRequest with more than 64 fields that it does not need" },
        { code, text })
    end
  end)

  it("costs nothing when it is a megabyte of unknown fields, and is refused", function()
    local bytes = ("\x28\x01"):rep(2 ^ 19)
    local out, e = ffi.new "struct setrequest", ffi.new "struct error"
    C.mem_fail_after(0)
    local code = tonumber(C.setrequest_decode(bytes, #bytes, out, e))
    assert.is_true(C.mem_alloc(1) == nil) -- the failure that was set was still to come
    C.mem_fail_after(-1)
    assert.same({ INVAL, "a SetRequest with more than 64 fields that it does not need" },
      { code, ffi.string(e.msg) })
  end)

  it("takes one block for the value and one for the rest", function()
    local value = ("v"):rep(2 ^ 20)
    local plain = put("group", "key", value, 1)
    local many = ("\x28\x01"):rep(32) .. ("\x0a\x01x"):rep(32) .. plain -- written anew meanwhile
    for _, bytes in ipairs { plain, many } do
      local out, e = ffi.new "struct setrequest", ffi.new "struct error"
      local copies = bytes == many and 1 or 0
      C.mem_fail_after(2 + copies)
      assert.equal(0, tonumber(C.setrequest_decode(bytes, #bytes, out, e)))
      C.mem_fail_after(-1)
      assert.is_true(ffi.string(out.value, out.value_len) == value)
      C.setrequest_deinit(out)
    end
  end)

  it("says when there is no memory to read it, or to write it anew for that", function()
    local spare = GOLDEN .. "\x28\x01"
    for _, case in ipairs { { GOLDEN, 1 }, { spare, 1 }, { spare, 2 } } do
      C.mem_fail_after(case[2]) -- the copy of its bytes is the first
      local _, code = set(case[1])
      C.mem_fail_after(-1)
      assert.equal(NOMEM, code)
    end
  end)

  it("says when there is no memory to write it", function()
    local b, r = ffi.new "struct buf", ffi.new "struct setrequest"
    r.group, r.key, r.value = "", "", ""
    C.buf_init(b, 0)
    C.mem_fail_after(0)
    assert.equal(tonumber(C.ERR_NOMEM), tonumber(C.setrequest_put(b, r)))
    C.mem_fail_after(-1)
    C.buf_deinit(b)
  end)
end)
