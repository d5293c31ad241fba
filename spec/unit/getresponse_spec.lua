-- SPDX-License-Identifier: MIT

local bit = require "bit"
local ffi = require "ffi"
local key_ref = require "unit.key_ref"
local messages = require "support.messages"
local C = require("support.unit").load("wire/getresponse.h", "base/mem.h", "cache/item.h")

local varint = messages.varint

-- protobuf-c with the generated code, as the judge.
local P = require "unit.shim"([[
#include <string.h>
#include "groupcache.pb-c.h"

struct judged { int ok, has_value; size_t value_len; double minute_qps; int64_t expire; };

void judge(const uint8_t *in, size_t n, struct judged *out, uint8_t *value)
{
    Groupcachepb__GetResponse *m = groupcachepb__get_response__unpack(NULL, n, in);

    out->ok = m != NULL;
    if (!m)
        return;
    out->has_value = m->has_value;
    out->value_len = m->value.len;
    if (m->value.len)
        memcpy(value, m->value.data, m->value.len);
    out->minute_qps = m->has_minute_qps ? m->minute_qps : 0;
    out->expire = m->has_expire ? m->expire : 0;
    groupcachepb__get_response__free_unpacked(m, NULL);
}

size_t pack(const uint8_t *value, size_t n, int has_qps, double qps, uint8_t *out)
{
    Groupcachepb__GetResponse m = GROUPCACHEPB__GET_RESPONSE__INIT;

    m.has_value = 1;
    m.value.data = (uint8_t *)(size_t)value;
    m.value.len = n;
    m.has_minute_qps = has_qps;
    m.minute_qps = qps;
    return groupcachepb__get_response__pack(&m, out);
}
]], [[
struct judged { int ok, has_value; size_t value_len; double minute_qps; int64_t expire; };
void judge(const uint8_t *in, size_t n, struct judged *out, uint8_t *value);
size_t pack(const uint8_t *value, size_t n, int has_qps, double qps, uint8_t *out);
]])

local PEER = tonumber(C.ERR_PEER)

-- The value, the qps, the expiry; or nil and the code.
local function decode(bytes)
  local out, e = ffi.new "struct getresponse", ffi.new "struct error"
  -- A copy of just these bytes: a sanitizer sees any read beyond them.
  local copy = ffi.cast("char *", C.mem_alloc(#bytes))
  ffi.copy(copy, bytes, #bytes)
  local code = tonumber(C.getresponse_decode(copy, #bytes, out, e))
  local value = code == 0 and ffi.string(out.value, out.value_len) or nil
  C.mem_free(copy)
  if code == 0 then
    return value, out.minute_qps, out.expire_ns
  end
  assert.equal(code, tonumber(e.code))
  assert.is_true(#ffi.string(e.msg) > 0)
  return nil, code
end

local function refused(bytes)
  local value, code = decode(bytes)
  assert.is_nil(value)
  assert.equal(PEER, code)
end

local VARINT, FIXED64, BYTES, START, END, FIXED32 = 0, 1, 2, 3, 4, 5

local function tag(field, wire_type)
  return varint(field * 8 + wire_type)
end

local function bytes_field(field, s)
  return tag(field, BYTES) .. varint(#s) .. s
end

local function double(d)
  return ffi.string(ffi.new("double[1]", d), 8)
end

describe("getresponse_decode", function()
  after_each(function()
    C.mem_fail_after(-1)
  end)

  -- What the Go family answers, byte for byte.
  describe("reads the answer of", function()
    for _, row in ipairs {
      { "golang: a value", "\x0a\x01v", "v", 0 },
      { "golang: an empty value", "\x0a\x00", "", 0 },
      { "mailgun: no expiry", "\x0a\x01v\x18\x00", "v", 0 },
      { "mailgun: an expiry", "\x0a\x01v\x18\x85\x80\xd8\xce\xc0\xef\xdc\xad\x43", "v",
        4853600000000000005LL },
      { "modernprogram: no expiry", "\x0a\x01v\x10\x00", "v", 0 },
      { "modernprogram: an expiry", "\x0a\x01v\x10\x85\x80\xd8\xce\xc0\xef\xdc\xad\x43", "v",
        4853600000000000005LL },
      { "a clock before 1970", "\x0a\x01v\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "v", -1LL },
    } do
      it(row[1], function()
        local value, qps, expire = decode(row[2])
        assert.equal(row[3], value)
        assert.equal(0, qps)
        assert.equal(0LL + row[4], expire)
      end)

      it(row[1] .. ", and none that is cut", function()
        for n = 0, #row[2] - 1 do
          local cut = row[2]:sub(1, n)
          if n == row[2]:find("v", 1, true) then -- between two fields
            assert.equal("v", (decode(cut)))
          else
            refused(cut)
          end
        end
      end)
    end

    it("this node: an item's own bytes", function()
      for _, n in ipairs { 0, 1, 127, 128, 16384, 300000 } do
        local value = ("\0v"):rep(n):sub(1, n)
        local it, len = C.item_new(key_ref("key", 0), value, n, 0), ffi.new "size_t[1]"
        local wire = C.item_wire(it, len)
        assert.is_true(decode(ffi.string(wire, len[0])) == value)
        C.item_unref(it)
      end
    end)
  end)

  it("reads what protobuf-c writes", function()
    math.randomseed(67)
    for _ = 1, 500 do
      local value = messages.random_bytes(math.random(0, 300))
      local has_qps, want = math.random(0, 1), math.random() * 1e6
      local out = ffi.new("uint8_t[?]", #value + 32)
      local n = P.pack(value, #value, has_qps, want, out)
      local got, qps = decode(ffi.string(out, n))
      assert.equal(value, got)
      assert.equal(has_qps == 1 and want or 0, qps)
    end
  end)

  it("agrees with protobuf-c on 5000 random messages with unknown fields", function()
    math.randomseed(71)
    local make = {
      [VARINT] = function(field)
        return tag(field, VARINT) .. varint(math.random(0, 2 ^ math.random(0, 31)))
      end,
      [FIXED64] = function(field)
        return tag(field, FIXED64) .. messages.random_bytes(8)
      end,
      [BYTES] = function(field)
        return bytes_field(field, messages.random_bytes(math.random(0, 40)))
      end,
      [FIXED32] = function(field)
        return tag(field, FIXED32) .. messages.random_bytes(4)
      end,
    }
    local types, without = { VARINT, FIXED64, BYTES, FIXED32 }, 0
    local judged = ffi.new "struct judged"
    for _ = 1, 5000 do
      local parts = {}
      for i = 1, math.random(0, 6) do
        local what = math.random(4)
        if what == 1 then -- perhaps more than once: the last one counts
          parts[i] = make[BYTES](1)
        elseif what == 2 then
          parts[i] = tag(2, FIXED64) .. double(math.random())
        elseif what == 3 then
          parts[i] = make[VARINT](3)
        else
          parts[i] = make[types[math.random(4)]](math.random(4, 2 ^ math.random(3, 29) - 1))
        end
      end
      local message = table.concat(parts)
      local out = ffi.new("uint8_t[?]", #message + 1)
      P.judge(message, #message, judged, out)
      assert(judged.ok == 1)
      local value, more, expire = decode(message)
      if judged.has_value == 1 then
        assert.equal(ffi.string(out, judged.value_len), value)
        assert.equal(judged.minute_qps, more)
        assert.equal(judged.expire, expire)
      else
        without = without + 1
        assert.is_nil(value)
        assert.equal(PEER, more)
      end
    end
    assert.is_true(without > 0)
  end)

  it("steps over known fields of another wire type", function()
    local v = bytes_field(1, "v")
    for _, other in ipairs {
      tag(1, VARINT) .. varint(300), tag(1, FIXED64) .. "12345678", tag(1, FIXED32) .. "1234",
      tag(2, VARINT) .. varint(300), bytes_field(2, "text"), tag(2, FIXED32) .. "1234",
    } do
      for _, message in ipairs { other .. v, v .. other } do
        local value, qps = decode(message)
        assert.equal("v", value)
        assert.equal(0, qps)
      end
      refused(other) -- no value
    end
  end)

  it("lets the last of several values count", function()
    assert.equal("b", (decode(bytes_field(1, "a") .. bytes_field(1, "b"))))
    assert.equal("", (decode(bytes_field(1, "a") .. bytes_field(1, ""))))
  end)

  it("keeps an empty value apart from none", function()
    assert.equal("", (decode(bytes_field(1, ""))))
    refused ""
    refused(tag(2, FIXED64) .. double(1))
  end)

  it("lets the last expiry count, in whichever field it is", function()
    local v = bytes_field(1, "v")
    assert.equal(7LL, (select(3, decode(v .. tag(2, VARINT) .. "\5" .. tag(3, VARINT) .. "\7"))))
    assert.equal(5LL, (select(3, decode(tag(3, VARINT) .. "\7" .. v .. tag(2, VARINT) .. "\5"))))
  end)

  it("refuses groups, lone ends of groups and unknown wire types", function()
    local v = bytes_field(1, "v")
    for _, bad in ipairs { tag(3, START) .. tag(3, END), tag(3, START), tag(3, END), tag(3, 6),
      tag(3, 7), tag(1, START) .. "v" .. tag(1, END) } do
      refused(v .. bad)
      refused(bad .. v)
    end
  end)

  it("refuses field 0 and fields beyond 2^29 - 1", function()
    local v = bytes_field(1, "v")
    refused(v .. "\x00\x00")
    refused(v .. "\x02\x00")
    assert.equal("v", (decode(v .. tag(2 ^ 29 - 1, VARINT) .. "\x00")))
    refused(v .. tag(2 ^ 29, VARINT) .. "\x00")
    refused(v .. tag(2 ^ 32 + 1, BYTES) .. "\x01x") -- not field 1 again
    refused(v .. ("\xff"):rep(9) .. "\x01" .. "\x00")
  end)

  it("takes varints of up to ten bytes and no more than 64 bits", function()
    local v, unknown = bytes_field(1, "v"), tag(3, VARINT)
    assert.equal("v", (decode(unknown .. ("\xff"):rep(9) .. "\x01" .. v))) -- 2^64 - 1
    assert.equal("v", (decode(unknown .. ("\x80"):rep(9) .. "\x00" .. v))) -- 0, the long way
    refused(unknown .. ("\xff"):rep(9) .. "\x02" .. v) -- 65 bits
    refused(unknown .. ("\x80"):rep(9) .. "\x7f" .. v)
    refused(unknown .. ("\x80"):rep(10) .. "\x00" .. v) -- eleven bytes
    refused(unknown .. ("\xff"):rep(100) .. v)
  end)

  it("takes tags and lengths written longer than needed, as Go does", function()
    assert.equal("v", (decode "\x8a\x00\x81\x80\x00v"))
  end)

  it("refuses lengths beyond the end, however large", function()
    refused "\x0a\x02v"
    refused "\x0a\x80\x80\x80\x80\x10v" -- 2^32
    refused("\x0a" .. ("\xff"):rep(9) .. "\x01v") -- 2^64 - 1
    refused("\x0a" .. ("\xff"):rep(8) .. "\x7fv") -- 2^63 - 1
    refused("\x1a" .. ("\xff"):rep(9) .. "\x01v")
    refused "\x11\0\0\0\0\0\0\0"
    refused "\x1d\0\0\0"
  end)

  it("refuses a message cut anywhere but between two fields", function()
    local fields = {
      bytes_field(1, ("x"):rep(200)), tag(2, FIXED64) .. double(2.5),
      tag(3, VARINT) .. varint(2 ^ 40), bytes_field(4000, "unknown"), tag(5, FIXED32) .. "abcd",
      bytes_field(1, "last"),
    }
    local message, ends, at = table.concat(fields), {}, 0
    for i, field in ipairs(fields) do
      at = at + #field
      ends[at] = i == #fields and "last" or ("x"):rep(200)
    end
    for n = 0, #message do
      local cut = message:sub(1, n)
      if ends[n] then
        assert.equal(ends[n], (decode(cut)))
      else
        refused(cut)
      end
    end
  end)

  it("allocates nothing, not even for a megabyte of unknown fields", function()
    local message = ffi.new("char[?]", 2 ^ 20)
    for i = 0, 2 ^ 20 - 5, 2 do
      message[i], message[i + 1] = 0x18, 0x07
    end
    ffi.copy(message + 2 ^ 20 - 4, bytes_field(1, "ab"), 4)
    local out = ffi.new "struct getresponse"
    C.mem_fail_after(0)
    local code = C.getresponse_decode(message, 2 ^ 20, out, nil)
    assert.is_true(C.mem_alloc(1) == nil) -- the failure that was set was still to come
    assert.equal(0, tonumber(code))
    assert.equal("ab", ffi.string(out.value, out.value_len))
    assert.is_true(out.value == message + 2 ^ 20 - 2) -- it borrows the input
  end)

  it("survives garbage, and what it takes from it lies within it", function()
    math.randomseed(73)
    local out = ffi.new "struct getresponse"
    local good = bytes_field(1, "value") .. tag(2, FIXED64) .. double(1) .. bytes_field(9, "x")
    local taken = 0
    for i = 1, 50000 do
      local bytes
      if i % 2 == 0 then
        bytes = messages.random_bytes(math.random(0, 24))
      else
        local at = math.random(#good)
        local flipped = bit.bxor(good:byte(at), 2 ^ math.random(0, 7))
        bytes = good:sub(1, at - 1) .. string.char(flipped) .. good:sub(at + 1)
      end
      local copy = ffi.cast("char *", C.mem_alloc(#bytes))
      ffi.copy(copy, bytes, #bytes)
      local code = tonumber(C.getresponse_decode(copy, #bytes, out, nil))
      if code == 0 then
        taken = taken + 1
        assert(out.value >= copy and out.value + out.value_len <= copy + #bytes)
      else
        assert(code == PEER)
      end
      C.mem_free(copy)
    end
    assert.is_true(taken > 0)
  end)
end)

describe("getresponse_tail", function()
  local function tail(field, expire, qps)
    local out, r = ffi.new("char[?]", C.GETRESPONSE_TAIL + 1), ffi.new "struct getresponse"
    out[C.GETRESPONSE_TAIL] = 0x55
    r.expire_ns, r.minute_qps = expire, qps or 0
    local n = tonumber(C.getresponse_tail(out, r, field))
    assert.equal(0x55, out[C.GETRESPONSE_TAIL])
    return ffi.string(out, n)
  end

  -- What Go's servers put behind the value.
  it("is what the forks' nodes answer", function()
    assert.equal("\x18\x00", tail(3, 0))
    assert.equal("\x10\x00", tail(2, 0))
    assert.equal("\x18\x85\x80\xd8\xce\xc0\xef\xdc\xad\x43", tail(3, 4853600000000000005LL))
    assert.equal("\x10\x85\x80\xd8\xce\xc0\xef\xdc\xad\x43", tail(2, 4853600000000000005LL))
  end)

  it("is nothing for a dialect without expire, and a key without a rate", function()
    assert.equal("", tail(0, 4853600000000000005LL))
  end)

  it("has the rate in front", function()
    assert.equal("\x11\0\0\0\0\0\0\xf8\x3f", tail(0, 0, 1.5))
    assert.equal("\x11\0\0\0\0\0\0\xf8\x3f\x18\x00", tail(3, 0, 1.5))
    assert.equal(tonumber(C.GETRESPONSE_TAIL), #tail(3, -1, 1.5) + 2 * 10)
  end)

  it("ends with the head of the extras, which all readers of the family skip", function()
    local out, r = ffi.new("char[?]", C.GETRESPONSE_TAIL), ffi.new "struct getresponse"
    r.extra, r.extra_len = "xyz", 3
    local head = ffi.string(out, tonumber(C.getresponse_tail(out, r, 0)))
    assert.equal("\xc2\x3e\x03", head)
    local judged, value = ffi.new "struct judged", ffi.new "uint8_t[8]"
    local message = "\x0a\x01v" .. head .. "xyz"
    P.judge(message, #message, judged, value)
    assert.equal(1, judged.ok)
    local got, e = ffi.new "struct getresponse", ffi.new "struct error"
    assert.equal(0, tonumber(C.getresponse_decode(message, #message, got, e)))
    assert.equal("xyz", ffi.string(got.extra, got.extra_len))
  end)

  it("is read by protobuf-c", function()
    local judged, value = ffi.new "struct judged", ffi.new "uint8_t[8]"
    local message = "\x0a\x01v" .. tail(3, 77, 4.25)
    P.judge(message, #message, judged, value)
    assert.same({ 1, 4.25, 77 }, { judged.ok, judged.minute_qps, tonumber(judged.expire) })
  end)

  it("is read back, behind an item's own bytes", function()
    math.randomseed(101)
    for _ = 1, 500 do
      local value, field = messages.random_bytes(math.random(0, 300)), math.random(2, 3)
      local expire = ffi.cast("int64_t", math.random(0, 2 ^ 31)) * 2 ^ 31 + math.random(0, 2 ^ 31)
      local rate = math.random(0, 1) * math.random() * 1e6
      local it, len = C.item_new(key_ref("key", 0), value, #value, 0), ffi.new "size_t[1]"
      local wire = C.item_wire(it, len)
      local got, qps, at = decode(ffi.string(wire, len[0]) .. tail(field, expire, rate))
      C.item_unref(it)
      assert.equal(value, got)
      assert.equal(rate, qps)
      assert.equal(expire, at)
    end
  end)
end)
