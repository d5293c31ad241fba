-- SPDX-License-Identifier: MIT

--- local key_ref = require "unit.key_ref"
--- key_ref(key, hash) -> a struct key_ref, for one call. It borrows the string, so the caller keeps
--- that. Without a hash: the hash that a group uses.

local ffi = require "ffi"
local C = require("support.unit").load("cache/group.h", "base/key.h")

return function(key, hash)
  return ffi.new("struct key_ref", { key, #key, hash or C.group_hash(key, #key) })
end
