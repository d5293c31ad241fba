-- SPDX-License-Identifier: MIT

-- What is read by protobuf-c behind the walk, for 20000 mutations of valid messages: against a
-- model of what is to be taken, and against protobuf-c alone.

local ffi = require "ffi"
local messages = require "support.messages"
local C = require("support.unit").load("wire/setrequest.h", "wire/getrequest.h", "base/mem.h")

local P = require "unit.shim"([[
#include <string.h>
#include "groupcache.pb-c.h"

struct alone { int ok; size_t len[3]; int64_t expire; };

/* group, key and value go one after another into `out`. */
void read_alone(const uint8_t *in, size_t n, struct alone *a, uint8_t *out)
{
    Groupcachepb__SetRequest *m = groupcachepb__set_request__unpack(NULL, n, in);
    const ProtobufCBinaryData *parts[3];
    int i;

    memset(a, 0, sizeof(*a));
    if (!m)
        return;
    parts[0] = &m->group;
    parts[1] = &m->key;
    parts[2] = &m->value;
    a->ok = 1;
    a->expire = m->expire;
    for (i = 0; i < 3; i++) {
        a->len[i] = parts[i]->len;
        if (parts[i]->len)
            memcpy(out, parts[i]->data, parts[i]->len);
        out += parts[i]->len;
    }
    groupcachepb__set_request__free_unpacked(m, NULL);
}

int judge_get_alone(const uint8_t *in, size_t n)
{
    Groupcachepb__ModernGetRequest *m = groupcachepb__modern_get_request__unpack(NULL, n, in);

    if (m)
        groupcachepb__modern_get_request__free_unpacked(m, NULL);
    return m != NULL;
}
]], [[
struct alone { int ok; size_t len[3]; int64_t expire; };
void read_alone(const char *in, size_t n, struct alone *a, uint8_t *out);
int judge_get_alone(const char *in, size_t n);
]])

local INVAL = tonumber(C.ERR_INVAL)
local SPARE = 64

-- A varint at `at`: its value, where it ends, and how many bytes it takes; nil when it is cut, or
-- has over 64 bits.
local function varint(bytes, at)
  local value = 0ULL
  for i = 0, 9 do
    local b = bytes:byte(at + i)
    if not b or i == 9 and b > 1 then
      return nil
    end
    value = value + ffi.cast("uint64_t", b % 128) * 2ULL ^ (7 * i)
    if b < 128 then
      return value, at + i + 1, i + 1
    end
  end
end

-- The model. `types` is the wire type of each field; the first `required` are. -> the fields by
-- number, and whether protobuf-c alone may refuse the message; nil when it is to be refused
local function model(bytes, types, required)
  local fields, spare, odd, at = {}, 0, false, 1
  while at <= #bytes do
    local tag, behind, tag_bytes = varint(bytes, at)
    local number = tag and tonumber(tag / 8)
    if not tag or number < 1 or number >= 2 ^ 29 then
      return nil
    end
    local kind, content, long = tonumber(tag % 8), nil, tag_bytes > 5
    if kind == 0 then
      content, at = varint(bytes, behind)
    elseif kind == 2 then
      local len, from, len_bytes = varint(bytes, behind)
      if not len or len > #bytes - from + 1 then
        return nil
      end
      content, at = bytes:sub(from, from + tonumber(len) - 1), from + tonumber(len)
      long = long or len_bytes > 5
    elseif kind == 1 or kind == 5 then
      local len = kind == 1 and 8 or 4
      content, at = #bytes - behind + 1 >= len, behind + len
    end
    if not content then
      return nil
    end
    odd = odd or long or types[number] and types[number] ~= kind
    if types[number] == kind then
      spare = spare + (fields[number] and 1 or 0)
      fields[number] = content
    else
      spare = spare + 1
    end
    if spare > SPARE then
      return nil
    end
  end
  for number = 1, required do
    if not fields[number] then
      return nil
    end
  end
  return fields, odd
end

-- What is put in: fields of all kinds, known ones too, in forms that are longer than needed, too.
local PIECES = { "\x28\x01", "\x7a\x02xy", "\x0a\x01x", "\x12\x00", "\x1a\x03new", "\x20\x05",
  "\x22\x01c", "\x08\x01", "\x10\x80\x01", "\x18\x01", "\x0d1234", "\x5112345678", "\x8a\x00\x01y",
  "\x12\x81\x80\x80\x00z", "\x1a\x81\x80\x80\x80\x80\x00z", "\x8a\x80\x80\x80\x80\x00\x01t",
  "\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "\x20\x80\x80\x80\x80\x80\x80\x80\x80\x80\x02",
  "\x2b\x2c", "\x00\x00", ("\x28\x01"):rep(60), "\xfa\xff\xff\xff\x0f\x00" }

local function mutated(bytes)
  for _ = 1, math.random(3) do
    local at, what = math.random(0, #bytes), math.random(7)
    local before, behind = bytes:sub(1, at), bytes:sub(at + 1)
    if what <= 2 then
      bytes = before .. messages.random_bytes(1) .. behind:sub(2)
    elseif what == 3 then
      bytes = before .. behind:sub(math.random(4))
    elseif what == 4 then
      bytes = before .. messages.random_bytes(math.random(3)) .. behind
    elseif what == 5 then
      bytes = before .. bytes:sub(math.random(#bytes + 1)) .. behind
    else
      bytes = math.random(2) == 1 and PIECES[math.random(#PIECES)] .. bytes
        or bytes .. PIECES[math.random(#PIECES)]
    end
  end
  return bytes
end

-- -> the code of fn(copy, n, e); when it is not ERR_OK, the walk has refused the message, not
-- protobuf-c behind it
local function code_of(bytes, fn)
  local ok, code, text = messages.judged(bytes, fn)
  if not ok then
    assert(code == INVAL)
    assert(not text:find("protobuf-c", 1, true), ("%q"):format(bytes))
  end
  return code or 0
end

describe("protobuf-c behind the walk", function()
  it("takes of 10000 SetRequests those that it should, and what protobuf-c alone reads", function()
    math.randomseed(211)
    local good = "\x0a\x05group\x12\x03key\x1a\x05value\x20\x85\x80\xd8\xce\xc0\xef\xdc\xad\x43"
    local types = { 2, 2, 2, 0 }
    local alone, parts = ffi.new "struct alone", ffi.new "uint8_t[4096]"
    local taken, odds, refused = 0, 0, 0
    for _ = 1, 10000 do
      local bytes = mutated(good)
      local want, odd = model(bytes, types, 2)
      local out = ffi.new "struct setrequest"
      local code = code_of(bytes, function(copy, n, e)
        return C.setrequest_decode(copy, n, out, e)
      end)
      assert((code == 0) == (want ~= nil), ("%q"):format(bytes))
      P.read_alone(bytes, #bytes, alone, parts)
      if code == 0 then
        local got = { ffi.string(out.group, out.group_len), ffi.string(out.key, out.key_len),
          ffi.string(out.value, out.value_len), out.expire_ns }
        C.setrequest_deinit(out)
        assert.same({ want[1], want[2], want[3] or "", ffi.cast("int64_t", want[4] or 0) }, got)
        taken, odds = taken + 1, odds + (odd and 1 or 0)
        assert(alone.ok == 1 or odd, ("%q"):format(bytes))
        if alone.ok == 1 then
          local at = parts
          for i = 1, 3 do
            assert(ffi.string(at, alone.len[i - 1]) == got[i], ("%q"):format(bytes))
            at = at + alone.len[i - 1]
          end
          assert(alone.expire == got[4], ("%q"):format(bytes))
        end
      else
        refused = refused + 1
      end
    end
    assert.is_true(taken > 2000 and odds > 300 and refused > 2000,
      ("%d taken, %d of them odd, %d refused"):format(taken, odds, refused))
  end)

  it("takes of 10000 GetRequests those that it should", function()
    math.randomseed(223)
    local good = "\x0a\x05group\x12\x03key\x1a\x04ctx1\x22\x04ctx2"
    local types = { 2, 2, 2, 2 }
    local taken, odds, refused = 0, 0, 0
    for _ = 1, 10000 do
      local bytes = mutated(good)
      local want, odd = model(bytes, types, 4)
      local code = code_of(bytes, C.getrequest_check)
      assert((code == 0) == (want ~= nil), ("%q"):format(bytes))
      if code == 0 then
        taken, odds = taken + 1, odds + (odd and 1 or 0)
        assert(odd or P.judge_get_alone(bytes, #bytes) == 1, ("%q"):format(bytes))
      else
        refused = refused + 1
      end
    end
    assert.is_true(taken > 2000 and odds > 300 and refused > 2000,
      ("%d taken, %d of them odd, %d refused"):format(taken, odds, refused))
  end)
end)
