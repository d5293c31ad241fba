-- SPDX-License-Identifier: MIT
-- groupcache.discover.own: this node's own URL, with self = "auto".

local core = require "groupcache.core"

local own = {}

local ANY_HOST = { ["0.0.0.0"] = true, ["[::]"] = true, ["::"] = true, ["*"] = true, [""] = true }
local SOMEWHERE = "192.0.2.1" -- of no host, RFC 5737: the way to it is the usual way out

local function listen_of(s)
  return s.peer_listen or s.listen
end

local function is_loopback(host)
  return host:find("^127%.") or host == "[::1]" or host == "::1" or host == "localhost"
end

--- The listed peer whose address is one of this host, with the port on which the node listens.
-- @param s settings, whose peers are a list
-- @return URL, or nil
function own.in_list(s)
  local port = listen_of(s):match(":(%d+)$")
  for _, url in ipairs(s.peers) do
    local host = url:match("^%w+://(.*):" .. (port or "-") .. "$")
    if host and core.own_address(host:match("^%[(.*)%]$") or host) == host then
      return url
    end
  end
end

-- The text of an address in a URL.
local function in_url(host)
  return host:find(":", 1, true) and host:sub(1, 1) ~= "[" and "[" .. host .. "]" or host
end

--- Finds the host of this node's URL if self is "auto", or is not set and the peers have a source:
-- where the node listens; else the address of the pod; else that of the interface that reaches the
-- source. Looks names up, which may take long. Sends no packet to the host.
-- @param s settings, which get self_host
-- @return true; or nil, message
function own.find_host(s)
  if s.self or not s.self_is_auto and not s.peers_source then
    return true
  end
  local listen = listen_of(s)
  local host = listen:match("^(.*):%d+$")
  if not host then
    return nil, ('self is "auto", and the node listens on %s: set self'):format(listen)
  end
  local seen, err = core.own_address(s.source_host or SOMEWHERE)
  if ANY_HOST[host] then
    host = os.getenv "POD_IP" or seen
    if not host then
      return nil, ('self is "auto", and this host has no address: %s: set self'):format(err)
    end
  elseif is_loopback(host) and s.source_host and seen and not is_loopback(seen) then
    return nil, ("the node listens on %s, where no other host reaches it, and its source of peers "
      .. "is on another host: set listen to %s, or set self"):format(listen,
      (listen:gsub("^.*:", seen .. ":")))
  end
  s.self_host = in_url(host)
  return true
end

return own
