-- SPDX-License-Identifier: MIT

--- Every request that a node may send to another, for the group g.
--
--   verbs.all(key, value) -> { { name=, method=, target=, body=,
--                                headers={ "Name: value" } }, ... }

local messages = require "support.messages"
local C = require("support.unit").load "wire/batch.h"

local verbs = {}

function verbs.all(key, value)
  local headers = { "X-Groupcache-From: http://127.0.0.1:1" }
  local one, group = "/_groupcache/g/" .. key, "/_groupcache/g"
  local function post(name, op, keys, set)
    return { name = name, method = "POST", target = group, headers = headers,
      body = messages.batch_request(op, keys, set) }
  end
  return {
    { name = "a get", method = "GET", target = one, headers = headers },
    { name = "a get of a Go node", method = "GET", target = one },
    post("a batch", C.BATCH_GET, { key }),
    post("a set", C.BATCH_SET, { key }, value),
    post("a removal", C.BATCH_REMOVE, { key }),
    post("a flush", C.BATCH_FLUSH, {}),
    { name = "a set of a Go node", method = "PUT", target = one,
      body = messages.set_request("g", key, value) },
    { name = "a removal of a Go node", method = "DELETE", target = one },
  }
end

return verbs
