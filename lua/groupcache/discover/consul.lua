-- SPDX-License-Identifier: MIT
-- groupcache.discover.consul: the passing instances of a service in Consul, as its local agent
-- knows them. This node registers itself there, with a check that it must renew.
--
-- Blocking queries (Consul's documentation of its HTTP API, "Blocking Queries"):
-- - the answer comes at a change, or after `wait` and up to a sixteenth of it more;
-- - an index that is lower than the last one, or that is not above 0, begins anew;
-- - an answer proves no change.

local core = require "groupcache.core"
local http = require "groupcache.http"
local options = require "groupcache.options"

local SCHEMA = {
  address = { kind = "text", default = "127.0.0.1:8500" },
  service = { kind = "text", required = true },
  scheme = { kind = "enum", values = { "http", "https" }, default = "http" },
  consul_scheme = { kind = "enum", values = { "http", "https" }, default = "http" },
  token = { kind = "text", secret = true },
  ttl = { kind = "integer", default = 10, min = 2, max = 3600 },
  register = { kind = "boolean", default = true },
  ca_file = { kind = "text" },
  insecure = { kind = "boolean" },
  identity = { kind = "boolean" },
}

local CONNECT_SECONDS = 1
local CALL_SECONDS = 5
local LEAVE_SECONDS = 1
local MOST_WAIT = 30
local MAX_BYTES = 8 * 2 ^ 20
local LATE = 1 / 16 -- Consul adds so much of the wait at random
local CRITICAL = "1m" -- the least that Consul takes

local Consul = {}
Consul.__index = Consul

-- @return answer of status 200; or nil, message, status
function Consul:call(method, path, body, seconds)
  local res, err = http.request { method = method, url = self.url .. path,
    body = body or method == "PUT" and "" or nil,
    headers = { ["X-Consul-Token"] = self.token }, timeout = seconds or CALL_SECONDS,
    connect_timeout = CONNECT_SECONDS, max_bytes = MAX_BYTES, ca_file = self.ca_file,
    insecure = self.insecure, identity = self.identity }
  if not res then
    return nil, err
  elseif res.status ~= 200 then
    return nil, ("%s answered %d: %s"):format(self.url, res.status, res.body:sub(1, 100)),
      res.status
  end
  return res
end

-- --- this node's entry ---

local function split(url)
  local host, port = url:match("^%w+://(.*):(%d+)$")
  if host then
    return host:match("^%[(.*)%]$") or host, tonumber(port)
  end
  return url:match("^%w+://(.*)$"), url:find("^https") and 443 or 80
end

function Consul:register()
  local host, port = split(self.own)
  local body = core.encode({ ID = self.id, Name = self.service, Address = host, Port = port,
    Check = { TTL = self.ttl .. "s", Status = "passing",
      DeregisterCriticalServiceAfter = CRITICAL } }, "json", MAX_BYTES)
  return self:call("PUT", "/v1/agent/service/register", body)
end

function Consul:tend(ctx)
  self.own = ctx.self
  self.id = ("%s-%s"):format(self.service, ctx.self:gsub("^%w+://", "", 1))
  local res, err, status
  if self.registered then
    res, err, status = self:call("PUT", "/v1/agent/check/pass/service:" .. http.escape(self.id))
    if not res and not status then
      return nil, err
    end
  end
  if self.leaves then
    return self.ttl
  elseif not res then -- an agent that was restarted, or that has deregistered the service
    res, err = self:register()
  end
  self.registered = res ~= nil
  return res and self.ttl / 3, err
end

function Consul:leave()
  self.leaves = true
  if not self.registered then
    return true
  end
  local res, err = self:call("PUT", "/v1/agent/service/deregister/" .. http.escape(self.id), nil,
    LEAVE_SECONDS)
  return res and true, err
end

-- --- the list ---

local function index_after(last, text)
  local index = tonumber(text)
  if not index or index <= 0 or index < last then
    return 0
  end
  return index
end

-- @return URLs; or nil: the answer is none
function Consul:urls(body)
  local entries = core.decode(body, "json")
  if type(entries) ~= "table" or body:find("^%s*{") then
    return nil
  end
  local urls = {}
  for i, entry in ipairs(entries) do
    local service = type(entry) == "table" and entry.Service
    local node = type(entry) == "table" and entry.Node
    if type(service) ~= "table" or not tonumber(service.Port) then
      return nil
    end
    local host = type(service.Address) == "string" and service.Address ~= "" and service.Address
      or type(node) == "table" and tostring(node.Address) or ""
    host = host:find(":", 1, true) and "[" .. host .. "]" or host
    urls[i] = ("%s://%s:%d"):format(self.scheme, host:lower(), service.Port)
  end
  return urls
end

function Consul:look(ctx)
  local path = ("/v1/health/service/%s?passing"):format(http.escape(self.service))
  local seconds = math.min(ctx.wait, MOST_WAIT)
  local waits = self.index > 0 and seconds > 0
  if waits then
    path = ("%s&index=%.0f&wait=%ds"):format(path, self.index, seconds)
  end
  local res, err = self:call("GET", path, nil,
    waits and seconds * (1 + LATE) + CALL_SECONDS or CALL_SECONDS)
  local urls = res and self:urls(res.body)
  if not urls then
    self.index = 0
    return nil, err or self.url .. " answered something else than a list of services"
  end
  self.index = index_after(self.index, res.headers["x-consul-index"])
  -- Without an index the next look does not wait.
  return urls, nil, self.index > 0 and 0 or 1
end

-- --- the source ---

--- @param given { service =, address = "HOST:PORT" of the agent, scheme = of the peers' URLs,
--   token =, ttl = seconds [10], register = whether this node registers itself [true],
--   consul_scheme = "http" or "https", ca_file =, insecure =, identity = as for etcd }
-- @return source; or nil, message
return function(given)
  local o, err = options.check(SCHEMA, given, "discover.consul")
  if not o then
    return nil, err
  end
  local url = ("%s://%s"):format(o.consul_scheme, o.address)
  local ok
  ok, err = core.check_peer_url(url)
  if not ok then
    return nil, "discover.consul: address: " .. err:gsub("^peer ", "")
  end
  local source = setmetatable({ name = ("consul://%s/%s"):format(o.address, o.service), url = url,
    host = o.address:match("^%[?(.-)%]?:%d+$"), service = o.service, scheme = o.scheme,
    token = o.token, ttl = o.ttl, ca_file = o.ca_file, insecure = o.insecure,
    identity = o.identity, index = 0 }, Consul)
  if not o.register then
    source.tend, source.leave = false, false
  end
  return source
end
