-- SPDX-License-Identifier: MIT

-- What our own nodes say to each other: golden bytes, protobuf-c as the judge, and all that is
-- malformed.

local ffi = require "ffi"
local messages = require "support.messages"
local C = require("support.unit").load("wire/batch.h", "base/buf.h", "base/mem.h", "base/err.h",
  "base/traceparent.h")

local P = require "unit.shim"([[
#include <stdio.h>
#include <string.h>
#include "batch.pb-c.h"

struct judged_request { int ok; size_t n_keys; uint32_t op; int has_value, has_ttl;
                        size_t value_len; uint64_t ttl_ms; };

/* The keys go one after another into `keys`, each behind a byte with its length. */
void judge_request(const uint8_t *in, size_t n, struct judged_request *out, uint8_t *keys,
                   uint8_t *value)
{
    Batchpb__BatchRequest *m = batchpb__batch_request__unpack(NULL, n, in);
    size_t i;

    memset(out, 0, sizeof(*out));
    out->ok = m != NULL;
    if (!m)
        return;
    out->op = m->has_op ? m->op : 0;
    out->n_keys = m->n_key;
    for (i = 0; i < m->n_key; i++) {
        *keys++ = (uint8_t)m->key[i].len;
        if (m->key[i].len)
            memcpy(keys, m->key[i].data, m->key[i].len);
        keys += m->key[i].len;
    }
    out->has_value = m->has_value;
    out->value_len = m->has_value ? m->value.len : 0;
    if (out->value_len)
        memcpy(value, m->value.data, m->value.len);
    out->has_ttl = m->has_ttl_ms;
    out->ttl_ms = m->ttl_ms;
    batchpb__batch_request__free_unpacked(m, NULL);
}

struct judged_answer { int ok, has_value, has_ttl, stale; uint32_t index; size_t value_len;
                       uint64_t ttl_ms, age_s; double minute_qps; char code[32], message[300]; };

void judge_answer(const uint8_t *in, size_t n, struct judged_answer *out, uint8_t *value)
{
    Batchpb__BatchAnswer *m = batchpb__batch_answer__unpack(NULL, n, in);

    memset(out, 0, sizeof(*out));
    out->ok = m != NULL;
    if (!m)
        return;
    out->index = m->index;
    out->has_value = m->has_value;
    out->value_len = m->has_value ? m->value.len : 0;
    if (out->value_len)
        memcpy(value, m->value.data, m->value.len);
    out->has_ttl = m->has_ttl_ms;
    out->ttl_ms = m->ttl_ms;
    out->age_s = m->age_s;
    out->stale = m->stale;
    out->minute_qps = m->minute_qps;
    snprintf(out->code, sizeof(out->code), "%s", m->code ? m->code : "");
    snprintf(out->message, sizeof(out->message), "%s", m->message ? m->message : "");
    batchpb__batch_answer__free_unpacked(m, NULL);
}
]], [[
struct judged_request { int ok; size_t n_keys; uint32_t op; int has_value, has_ttl;
                        size_t value_len; uint64_t ttl_ms; };
void judge_request(const uint8_t *in, size_t n, struct judged_request *out, uint8_t *keys,
                   uint8_t *value);
struct judged_answer { int ok, has_value, has_ttl, stale; uint32_t index; size_t value_len;
                       uint64_t ttl_ms, age_s; double minute_qps; char code[32], message[300]; };
void judge_answer(const uint8_t *in, size_t n, struct judged_answer *out, uint8_t *value);
]])

ffi.cdef [[
struct mallinfo2 { size_t arena, ordblks, smblks, hblks, hblkhd, usmblks, fsmblks, uordblks,
                   fordblks, keepcost; };
struct mallinfo2 mallinfo2(void);
]]

local GET, REMOVE, FLUSH, SET, RECENT = 0, 1, 2, 3, 4
local INVAL, NOMEM, PEER = tonumber(C.ERR_INVAL), tonumber(C.ERR_NOMEM), tonumber(C.ERR_PEER)
local MAX_KEYS = tonumber(C.BATCH_MAX_KEYS)

local on_copy, built, random_bytes = messages.on_copy, messages.built, messages.random_bytes
local request = messages.batch_request

-- { op, keys, value, ttl }; or nil, code, message.
local function parse(bytes)
  return on_copy(bytes, function(copy, n)
    local out, e = ffi.new "struct batch_request", ffi.new "struct error"
    local code = tonumber(C.batch_parse(copy, n, out, e))
    if code ~= 0 then
      assert.equal(code, tonumber(e.code))
      assert(out.memory == nil, "memory is left behind a failure")
      return nil, code, ffi.string(e.msg)
    end
    local got = { op = tonumber(out.op), keys = {} }
    for i = 0, tonumber(out.n_keys) - 1 do
      local k = out.keys[i]
      got.keys[i + 1] = ffi.string(k.bytes, k.n)
    end
    if out.value ~= nil then
      got.value = ffi.string(out.value, out.value_len)
    end
    got.ttl = out.has_ttl ~= 0 and tonumber(out.ttl_ms) or nil
    got.till = out.has_until ~= 0 and tonumber(out["until"]) or nil
    C.batch_request_deinit(out)
    return got
  end)
end

local function refused(bytes, pattern)
  local got, code, message = parse(bytes)
  assert.is_nil(got)
  assert.equal(INVAL, code)
  assert.matches(pattern or "BatchRequest", message)
end

local function frame(a)
  local code = ffi.new "struct batch_answer"
  code.index = a.index or 0
  if a.value then
    code.value, code.value_len = a.value, #a.value
  else
    code.code, code.message, code.message_len = a.code, a.message, #a.message
  end
  if a.ttl then
    code.has_ttl, code.ttl_ms = 1, a.ttl
  end
  code.age_s = a.age or 0
  code.stale = a.stale and 1 or 0
  code.minute_qps = a.qps or 0
  return built(function(b)
    C.batch_put_answer(b, code)
  end) .. (a.value or "")
end

-- The answer and its frame's length; or nil, and 0 (not whole) or -1 (malformed).
local function read(bytes, max)
  return on_copy(bytes, function(copy, n)
    local out, e = ffi.new "struct batch_answer", ffi.new "struct error"
    local length = tonumber(C.batch_get_answer(copy, n, max or 1e6, out, e))
    if length < 0 then
      assert.equal(PEER, tonumber(e.code))
    end
    if length <= 0 then
      return nil, length
    end
    local got = { index = tonumber(out.index), stale = out.stale ~= 0 or nil }
    if out.value ~= nil then
      assert(out.value >= copy and out.value + out.value_len <= copy + n)
      got.value = ffi.string(out.value, out.value_len)
      assert.equal(0, tonumber(out.code))
    else
      got.code = tonumber(out.code)
      got.message = ffi.string(out.message, out.message_len)
    end
    got.ttl = out.has_ttl ~= 0 and tonumber(out.ttl_ms) or nil
    got.age = out.age_s ~= 0 and tonumber(out.age_s) or nil
    got.qps = out.minute_qps ~= 0 and out.minute_qps or nil
    return got, length
  end)
end

describe("a batch's request", function()
  after_each(function()
    C.mem_fail_after(-1)
  end)

  -- These bytes travel between versions: they may not change.
  it("has the bytes that it always had", function()
    assert.equal("\8\0\18\1a\18\0", request(GET, { "a", "" }))
    assert.equal("\8\1\18\2\0\255", request(REMOVE, { "\0\255" }))
    assert.equal("\8\2", request(FLUSH, {}))
    assert.equal("\8\3\18\1k\32\172\2\26\1v", request(SET, { "k" }, "v", 300))
    assert.equal("\8\3\18\1k\26\0", request(SET, { "k" }, ""))
  end)

  it("says until when a set may be carried out, behind all else but the value", function()
    assert.equal("\8\3\18\1k\56\172\2\26\1v", request(SET, { "k" }, "v", nil, 300))
    assert.equal(300, parse(request(SET, { "k" }, "v", nil, 300)).till)
    assert.equal(0, parse(request(SET, { "k" }, "v", 5, 0)).till)
    assert.is_nil(parse(request(SET, { "k" }, "v")).till)
  end)

  it("says what it was told", function()
    for _, want in ipairs {
      { op = GET, keys = { "a", "", "\0\255", ("k"):rep(300) } },
      { op = REMOVE, keys = { "x" } },
      { op = FLUSH, keys = {} },
      { op = SET, keys = { "k" }, value = "v" },
      { op = SET, keys = { "" }, value = "", ttl = 0 },
      { op = SET, keys = { "k" }, value = ("\0v"):rep(70000), ttl = 2 ^ 52 },
    } do
      assert.same(want, parse(request(want.op, want.keys, want.value, want.ttl)))
    end
  end)

  it("is what protobuf-c reads from 2000 random ones, too", function()
    math.randomseed(81)
    local judged = ffi.new "struct judged_request"
    for _ = 1, 2000 do
      local keys = {}
      for i = 1, math.random(1, 8) do
        keys[i] = random_bytes(math.random(0, 30))
      end
      local op = math.random(0, 1)
      local value, ttl
      if math.random(3) == 1 then
        op, keys, value = SET, { keys[1] }, random_bytes(math.random(0, 40))
        ttl = math.random(2) == 1 and math.random(0, 2 ^ 31) or nil
      end
      local bytes = request(op, keys, value, ttl)
      local said, kept = ffi.new "uint8_t[300]", ffi.new "uint8_t[64]"
      P.judge_request(bytes, #bytes, judged, said, kept)
      assert.equal(1, judged.ok)
      assert.equal(op, judged.op)
      assert.equal(#keys, tonumber(judged.n_keys))
      local at = 0
      for _, key in ipairs(keys) do
        assert.equal(key, ffi.string(said + at + 1, said[at]))
        at = at + 1 + #key
      end
      assert.equal(value and 1 or 0, judged.has_value)
      assert.equal(value or "", ffi.string(kept, judged.value_len))
      assert.equal(ttl, judged.has_ttl ~= 0 and tonumber(judged.ttl_ms) or nil)
    end
  end)

  it("may have unknown fields, and known fields of another type", function()
    local more = "\96\1\66\3new\77\1\2\3\4\81\1\2\3\4\5\6\7\8" .. "\16\5" .. "\10\1x"
    assert.same({ op = GET, keys = { "a", "b" } },
      parse(more .. "\18\1a" .. more .. "\18\1b" .. more))
    assert.same({ op = GET, keys = { "no op" } }, parse "\18\5no op")
  end)

  it("is refused without what its op needs", function()
    refused("", "without a key")
    refused("\8\0", "without a key")
    refused("\8\1", "without a key")
    refused(request(SET, { "k" }), "1 keys to no value")
    refused(request(SET, {}, "v"), "0 keys")
    refused(request(SET, { "a", "b" }, "v"), "2 keys")
    refused("\8\6\18\1k", "hands over no value")
    refused("\8\7\18\1k", "op 7")
    refused("\8\255\255\255\255\255\255\255\255\255\1\18\1k", "op 4294967295")
    assert.same({ op = FLUSH, keys = {} }, parse "\8\2")
    assert.same({ op = RECENT, keys = {} }, parse "\8\4")
  end)

  it("has a limit of keys", function()
    local bytes = "\8\0" .. ("\18\1k"):rep(MAX_KEYS)
    assert.equal(MAX_KEYS, #parse(bytes).keys)
    refused(bytes .. "\18\0", "of 10001 keys, the limit is 10000")
  end)

  it("is refused when it is cut inside a field, wherever", function()
    local fields = { "\8\3", "\18\3key", "\32\172\2", "\26\5value" }
    local bytes, ends, at = table.concat(fields), {}, 0
    for _, field in ipairs(fields) do
      at = at + #field
      ends[at] = true
    end
    for n = 1, #bytes - 1 do
      local got, code, message = parse(bytes:sub(1, n))
      assert.is_nil(got)
      assert.equal(INVAL, code)
      assert.matches(ends[n] and "to set" or "malformed", message)
    end
    assert.is_truthy(parse(bytes))
  end)

  it("is refused with lengths beyond the end, groups and field 0", function()
    for _, bad in ipairs { "\18\5key", "\18\255\255\255\255\15k", "\18" .. ("\255"):rep(9) .. "\1k",
      "\18" .. ("\255"):rep(20), "\19\20", "\20", "\0\0", "\2\0", "\14\1", "\15\1" } do
      refused("\18\1k" .. bad, "malformed")
    end
  end)

  it("says so when there is no memory, whichever allocation fails", function()
    local keys = {}
    for i = 1, 1000 do
      keys[i] = ("k%011d"):format(i)
    end
    local bytes = request(GET, keys)
    local got, code
    local failed = 0
    repeat
      C.mem_fail_after(1 + failed) -- the copy is the first
      got, code = parse(bytes)
      assert.is_true(got ~= nil or code == NOMEM)
      failed = failed + (got and 0 or 1)
    until got
    assert.same(keys, got.keys)
    assert.is_true(failed <= 10, failed .. " allocations") -- not one a key
  end)

  -- Sanitizers have their own allocator.
  local it_counts = os.getenv "SAN" and pending or it
  it_counts("costs 32 bytes a key of 12", function()
    local keys = {}
    for i = 1, 1000 do
      keys[i] = ("k%011d"):format(i)
    end
    local bytes = request(GET, keys)
    for _, text in ipairs { bytes, bytes .. ("\64\1"):rep(64) } do
      local out, e = ffi.new "struct batch_request", ffi.new "struct error"
      local before = ffi.C.mallinfo2().uordblks
      assert.equal(0, tonumber(C.batch_parse(text, #text, out, e)))
      local cost = tonumber(ffi.C.mallinfo2().uordblks - before)
      assert.is_true(cost >= 28000 and cost <= 32 * 1000 + 500, cost .. " bytes")
      C.batch_request_deinit(out)
    end
  end)

  it("is refused with more than 64 fields that it does not need", function()
    local bytes = request(GET, { "a" })
    assert.same({ "a" }, parse(bytes .. ("\64\1"):rep(64)).keys)
    refused(bytes .. ("\64\1"):rep(65), "more than 64 fields")
    refused(bytes .. ("\64\1"):rep(2 ^ 19), "more than 64 fields")
  end)

  it("is never read beyond its end, whatever the bytes are", function()
    math.randomseed(82)
    local good, taken = request(SET, { "key" }, "value", 300), 0
    for i = 1, 30000 do
      local got, code = parse(messages.spoiled(good, i))
      taken = taken + (got and 1 or 0)
      assert(got or code == INVAL)
    end
    assert.is_true(taken > 0)
  end)
end)

describe("a batch's answer", function()
  it("has the bytes that it always had", function()
    assert.equal("\5\8\0\18\1v", frame { value = "v" })
    assert.equal("\4\8\0\18\0", frame { value = "" })
    assert.equal("\12\8\7\40\172\2\48\9\56\1\18\1v",
      frame { index = 7, value = "v", ttl = 300, age = 9, stale = true })
    assert.equal("\18\8\1\26\8NOTFOUND\34\4gone",
      frame { index = 1, code = tonumber(C.ERR_NOTFOUND), message = "gone" })
  end)

  it("says what it was told, and where it ends", function()
    for _, want in ipairs {
      { index = 0, value = "v" }, { index = 9999, value = "" },
      { index = 3, value = ("\0v"):rep(70000), ttl = 2 ^ 52, age = 2 ^ 31, stale = true,
        qps = 2.5 },
      { index = 1, value = "v", ttl = 0 },
      { index = 2, code = tonumber(C.ERR_NOTFOUND), message = "no such", ttl = 5000 },
      { index = 4, code = tonumber(C.ERR_GETTER), message = "" },
    } do
      local bytes = frame(want)
      local got, length = read(bytes .. "what follows")
      assert.same(want, got)
      assert.equal(#bytes, length)
    end
  end)

  it("adds no more than its overhead to a value", function()
    local longest = { index = 2 ^ 52, ttl = 2 ^ 52, age = 2 ^ 52, stale = true, qps = 1.5,
      value = ("v"):rep(1e6) }
    assert.is_true(#frame(longest) - 1e6 <= tonumber(C.BATCH_FRAME_OVERHEAD))
  end)

  it("is what protobuf-c reads from 2000 random ones, too", function()
    math.randomseed(83)
    local judged, kept = ffi.new "struct judged_answer", ffi.new "uint8_t[512]"
    for _ = 1, 2000 do
      local want = { index = math.random(0, 10000),
        ttl = math.random(2) == 1 and math.random(0, 2 ^ 31) or nil }
      if math.random(2) == 1 then
        want.value = random_bytes(math.random(0, 400))
        want.age = math.random(2) == 1 and math.random(1, 2 ^ 31) or nil
        want.stale = math.random(2) == 1 or nil
        want.qps = math.random(2) == 1 and math.random() * 1e6 or nil
      else
        want.code = math.random(1, tonumber(C.ERR_COUNT) - 1)
        want.message = ("m"):rep(math.random(0, 239))
      end
      local bytes = frame(want)
      local _, length = read(bytes)
      assert.equal(#bytes, length)
      local head = #bytes < 129 and 1 or 2
      P.judge_answer(bytes:sub(head + 1), #bytes - head, judged, kept)
      assert.equal(1, judged.ok)
      assert.equal(want.index, judged.index)
      assert.equal(want.value and 1 or 0, judged.has_value)
      assert.equal(want.value or "", ffi.string(kept, judged.value_len))
      assert.equal(want.ttl, judged.has_ttl ~= 0 and tonumber(judged.ttl_ms) or nil)
      assert.equal(want.age or 0, tonumber(judged.age_s))
      assert.equal(want.stale and 1 or 0, judged.stale)
      assert.equal(want.qps or 0, judged.minute_qps)
      assert.equal(want.code and ffi.string(C.err_name(want.code)) or "", ffi.string(judged.code))
      assert.equal(want.message or "", ffi.string(judged.message))
    end
  end)

  it("is not there before its last byte is", function()
    local bytes = frame { index = 300, value = ("v"):rep(200), ttl = 99 }
    for n = 0, #bytes - 1 do
      assert.same({ nil, 0 }, { read(bytes:sub(1, n)) })
    end
  end)

  it("is refused as soon as its length says that it is too long", function()
    assert.same({ nil, -1 }, { read("\101", 100) })
    assert.same({ nil, 0 }, { read("\100", 100) })
    assert.same({ nil, -1 }, { read(("\255"):rep(9) .. "\1", 1e6) })
    assert.same({ nil, -1 }, { read(("\128"):rep(9) .. "\2\8\0", 1e6) }) -- 65 bits
    assert.same({ nil, -1 }, { read(("\255"):rep(10), 1e6) })
    assert.same({ nil, 0 }, { read(("\255"):rep(9), 1e6) })
  end)

  it("is refused without a value or an error, and when it is malformed", function()
    for _, body in ipairs { "", "\8\1", "\18\5v", "\8", "\19\20", "\0\0", "\18\1v\255" } do
      assert.same({ nil, -1 }, { read(string.char(#body) .. body) })
    end
  end)

  it("may have unknown fields and an unknown code", function()
    assert.same({ index = 2, value = "v" }, (read "\12\8\2\18\1v\64\1\74\3new"))
    local unknown = "\26\8ALFRESCO\34\2hm"
    assert.same({ index = 0, code = PEER, message = "hm" },
      (read(string.char(#unknown) .. unknown)))
    local long = "\26\40" .. ("X"):rep(40)
    assert.same({ index = 0, code = PEER, message = "" }, (read(string.char(#long) .. long)))
    local ok = "\26\2OK"
    assert.same({ index = 0, code = PEER, message = "" }, (read(string.char(#ok) .. ok)))
  end)

  it("lets the value count when there is an error, too", function()
    local both = "\26\6GETTER\18\1v"
    assert.same({ index = 0, value = "v" }, (read(string.char(#both) .. both)))
  end)

  it("is never read beyond its end, whatever the bytes are", function()
    math.randomseed(84)
    local good, taken = frame { index = 7, value = "value", ttl = 300, age = 9, stale = true }, 0
    for i = 1, 30000 do
      local got = read(messages.spoiled(good, i))
      taken = taken + (got and 1 or 0)
    end
    assert.is_true(taken > 0)
  end)
end)

describe("the traces of a batch", function()
  local PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

  local function trace(text, state)
    local t = ffi.new "struct traceparent"
    assert.equal(1, C.traceparent_read(t, text, #text, state, #(state or "")))
    return t
  end

  -- Of so many keys: { text, state }, or false.
  local function walk(bytes, n)
    local list, at = {}, ffi.new "size_t[1]"
    messages.on_copy(bytes, function(copy)
      for i = 1, n do
        local t = ffi.new "struct traceparent"
        list[i] = C.batch_next_trace(copy, #bytes, at, t) == 1
          and { ffi.string(t.text), ffi.string(t.state) }
      end
    end)
    return list
  end

  it("are a line for each key", function()
    local bytes = messages.built(function(b)
      C.batch_put_trace(b, trace(PARENT, "a=b c,d=e"))
      C.batch_put_trace(b, nil)
      C.batch_put_trace(b, trace(PARENT))
    end)
    assert.equal(PARENT .. " a=b c,d=e\n\n" .. PARENT .. "\n", bytes)
    assert.same({ { PARENT, "a=b c,d=e" }, false, { PARENT, "" }, false }, walk(bytes, 4))
  end)

  it("are none where a line is no trace", function()
    assert.same({ false, false, { PARENT, "" } }, walk("x\n" .. PARENT .. "x\n" .. PARENT, 3))
    assert.same({ { PARENT, "" } }, walk(PARENT .. " ", 1))
    assert.same({ false, false }, walk("", 2))
  end)

  it("travel in the request, in a field that older nodes skip", function()
    local lines = PARENT .. "\n\n"
    local bytes = messages.batch_request(C.BATCH_GET, { "a", "b" }) .. "\50" .. string.char(#lines)
      .. lines
    local got
    messages.on_copy(bytes, function(copy, n)
      local r, e = ffi.new "struct batch_request", ffi.new "struct error"
      assert.equal(0, tonumber(C.batch_parse(copy, n, r, e)))
      got = ffi.string(r.traces, r.traces_len)
      assert.equal(bytes, messages.built(function(b) C.batch_put(b, r) end))
      C.batch_request_deinit(r)
    end)
    assert.equal(lines, got)
  end)
end)
