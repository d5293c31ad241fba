-- SPDX-License-Identifier: MIT

--- The list of peers of a node, for specs of C functions.
--
--   peers.new(self, more) -> struct peers *, without a list, on a ring as Go's; C.peers_free() it.
--     more: further fields of struct peers_opts; more.net: the network thread
--   peers.set(p, urls): the list is these; fails the spec if they are refused
--   peers.at(p, i) -> the peer at that place of the list, from 0; a reference

local assert = require "luassert"
local ffi = require "ffi"
local C = require("support.unit").load("peer/peers.h", "peer/peer_in.h", "base/hash.h",
  "base/mem.h")

local peers = {}

function peers.new(self, more)
  local o, net = ffi.new "struct peers_opts", nil
  o.dialect, o.hash = C.DIALECT_GOLANG, C.HASH_CRC32
  o.self, o.base_path, o.replicas = self, "/_groupcache/", 50
  for name, value in pairs(more or {}) do
    if name == "net" then
      net = value
    else
      o[name] = value
    end
  end
  return C.peers_new(o, net)
end

function peers.set(p, urls)
  local e = ffi.new "struct error"
  assert.equal(0, tonumber(C.peers_set(p, ffi.new("const char *[?]", #urls + 1, urls), #urls, e)))
end

function peers.at(p, i)
  local n = ffi.new "size_t[1]"
  local list = C.peers_list(p, n)
  local found = list[i]
  for k = 0, tonumber(n[0]) - 1 do
    if k ~= i then
      C.peer_unref(list[k])
    end
  end
  C.mem_free(list)
  return found
end

return peers
