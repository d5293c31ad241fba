-- SPDX-License-Identifier: MIT

--- Messages between nodes, and the memory in which the engine reads and writes them.
--
--   local messages = require "support.messages"
--   messages.built(fn)           runs fn(b) on a new struct buf -> the bytes that it has appended
--   messages.on_copy(bytes, fn)  -> up to three results of fn(copy, n), called on a copy of just
--                                these bytes: a sanitizer sees any read beyond them
--   messages.judged(bytes, fn)   calls fn(copy, n, e) on such a copy -> true if it returns ERR_OK;
--                                else false, the code and the message
--   messages.random_bytes(n)
--   messages.spoiled(good, i)    random bytes for an even i, else `good` with a byte changed
--   messages.varint(n)           of a number below 2^53
--   messages.batch_request(op, keys, value, ttl_ms, till_ms)   a BatchRequest; op must be given
--   messages.set_request(group, key, value, expire_ns)   a SetRequest; without an expiry: 0

local assert = require "luassert"
local ffi = require "ffi"
local C = require("support.unit").load("wire/batch.h", "wire/setrequest.h", "base/buf.h",
  "base/mem.h", "base/err.h")

local messages = {}

function messages.built(fn)
  local b = ffi.new "struct buf"
  C.buf_init(b, 0)
  fn(b)
  assert.equal(0, tonumber(b.failed))
  local bytes = ffi.string(b.data, b.len)
  C.buf_deinit(b)
  return bytes
end

function messages.on_copy(bytes, fn)
  local copy = ffi.cast("char *", C.mem_alloc(#bytes))
  ffi.copy(copy, bytes, #bytes)
  local got = { fn(copy, #bytes) }
  C.mem_free(copy)
  return unpack(got, 1, 3)
end

function messages.judged(bytes, fn)
  local e = ffi.new "struct error"
  local code = messages.on_copy(bytes, function(copy, n)
    return tonumber(fn(copy, n, e))
  end)
  if code == 0 then
    return true
  end
  assert.equal(code, tonumber(e.code))
  return false, code, ffi.string(e.msg)
end

function messages.random_bytes(n)
  local parts = {}
  for i = 1, n do
    parts[i] = string.char(math.random(0, 255))
  end
  return table.concat(parts)
end

function messages.spoiled(good, i)
  if i % 2 == 0 then
    return messages.random_bytes(math.random(0, 24))
  end
  local at = math.random(#good)
  return good:sub(1, at - 1) .. string.char(math.random(0, 255)) .. good:sub(at + 1)
end

function messages.varint(n)
  local parts = {}
  while n >= 128 do
    parts[#parts + 1] = string.char(n % 128 + 128)
    n = math.floor(n / 128)
  end
  return table.concat(parts) .. string.char(n)
end

function messages.batch_request(op, keys, value, ttl_ms, till_ms)
  keys = keys or {}
  local list = ffi.new("struct key[?]", #keys)
  for i, key in ipairs(keys) do
    list[i - 1].bytes, list[i - 1].n = key, #key
  end
  local r = ffi.new "struct batch_request"
  r.op, r.keys, r.n_keys = op, list, #keys
  if value then
    r.value, r.value_len = value, #value
    r.has_ttl, r.ttl_ms = ttl_ms and 1 or 0, ttl_ms or 0
    r.has_until, r["until"] = till_ms and 1 or 0, till_ms or 0
  end
  return messages.built(function(b)
    C.batch_put(b, r)
  end)
end

function messages.set_request(group, key, value, expire_ns)
  local r = ffi.new "struct setrequest"
  r.group, r.group_len, r.key, r.key_len = group, #group, key, #key
  r.value, r.value_len, r.expire_ns = value, #value, expire_ns or 0
  return messages.built(function(b)
    C.setrequest_put(b, r)
  end)
end

return messages
