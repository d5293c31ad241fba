-- SPDX-License-Identifier: MIT

--- Every request that a node may send to another, for the group g.
--
--   verbs.all(key, value, from) -> { { name=, method=, target=, body=,
--                                      headers={ "Name: value" } }, ... }
--   verbs.batch(op, key, value) -> the body of a batch; op is C.BATCH_GET and so on

local ffi = require "ffi"
local C = require("support.unit").load("wire/batch.h", "wire/setrequest.h", "base/buf.h")

local verbs = {}

local function bytes(put)
  local b = ffi.new "struct buf"
  C.buf_init(b, 0)
  put(b)
  local text = ffi.string(b.data, b.len)
  C.buf_deinit(b)
  return text
end

function verbs.batch(op, key, value)
  return bytes(function(b)
    C.batch_put_op(b, op)
    if key then
      C.batch_put_key(b, key, #key)
    end
    if value then
      C.batch_put_value(b, value, #value, nil)
    end
  end)
end

local function set_request(key, value)
  return bytes(function(b)
    local r = ffi.new "struct setrequest"
    r.group, r.group_len, r.key, r.key_len = "g", 1, key, #key
    r.value, r.value_len = value, #value
    C.setrequest_put(b, r)
  end)
end

function verbs.all(key, value, from)
  local headers = { "X-Groupcache-From: " .. (from or "http://127.0.0.1:1") }
  local one, group = "/_groupcache/g/" .. key, "/_groupcache/g"
  local function post(name, body)
    return { name = name, method = "POST", target = group, body = body, headers = headers }
  end
  return {
    { name = "a get", method = "GET", target = one, headers = headers },
    { name = "a get of a Go node", method = "GET", target = one },
    post("a batch", verbs.batch(C.BATCH_GET, key)),
    post("a set", verbs.batch(C.BATCH_SET, key, value)),
    post("a removal", verbs.batch(C.BATCH_REMOVE, key)),
    post("a flush", verbs.batch(C.BATCH_FLUSH)),
    { name = "a set of a Go node", method = "PUT", target = one, body = set_request(key, value) },
    { name = "a removal of a Go node", method = "DELETE", target = one },
  }
end

return verbs
