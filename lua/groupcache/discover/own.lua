-- SPDX-License-Identifier: MIT
-- groupcache.discover.own: this node's own URL, with self = "auto".

local core = require "groupcache.core"

local own = {}

local SOMEWHERE = "192.0.2.1" -- of no host, RFC 5737: the way to it is the usual way out

--- The listed peer whose address is one of this host, with the port on which the node listens.
-- Names are not looked up.
-- @param s settings, whose peers are a list
-- @return URL, or nil
function own.in_list(s)
  local port = (s.peer_listen or s.listen):match(":(%d+)$") or "-"
  for _, url in ipairs(s.peers) do
    local host = url:match("^%w+://([%d.]+):" .. port .. "$")
      or url:match("^%w+://(%[[%x:.]+%]):" .. port .. "$")
    if host and core.own_address(host:match("^%[(.*)%]$") or host) == host then
      return url
    end
  end
end

local function is_loopback(host)
  return host:find("^127%.") or host == "[::1]"
end

--- Finds out how other hosts see this one, if self is "auto", or is not set and the peers have a
-- source: as POD_IP, or at the interface that reaches the source. Looks the name of the source up,
-- which may take long, and sends no packet to it.
-- @param s settings, which get self_find, self_host and self_remote
function own.find(s)
  s.self_find = not s.self and (s.self_is_auto or s.peers_source) and true or false
  if not s.self_find then
    return
  end
  local pod = os.getenv "POD_IP"
  if pod and pod:find(":", 1, true) and pod:sub(1, 1) ~= "[" then
    pod = "[" .. pod .. "]"
  end
  local seen = not pod and core.own_address(s.source_host or SOMEWHERE) or nil
  s.self_host = pod or seen
  s.self_remote = s.source_host and seen and not is_loopback(seen) and true or false
end

return own
