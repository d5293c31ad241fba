-- SPDX-License-Identifier: MIT
-- groupcache.discover.etcd: a list in etcd, by the JSON gateway of its API v3. Each node has a key
-- below a prefix, with its URL as the value, and a lease. A node that dies loses the key when the
-- lease expires.
--
-- What etcd does that is easily overlooked:
-- - a dead lease is answered with 200, without a TTL; so is a refused watch, whose stream stays
--   open and silent;
-- - an idle watch is silent for ever, as is one whose member is stopped: so the list is read again
--   each minute;
-- - after a restore from a backup, revisions begin again at lower numbers;
-- - numbers of 64 bits are texts; a lease does not fit into a number of Lua.

local base64 = require "groupcache.discover.base64"
local core = require "groupcache.core"
local http = require "groupcache.http"
local options = require "groupcache.options"
local wait = require "groupcache.wait"

local SCHEMA = {
  endpoints = { kind = "list", required = true },
  prefix = { kind = "text", required = true },
  ttl = { kind = "integer", default = 10, min = 2, max = 3600 }, -- etcd makes 2 of less
  register = { kind = "boolean", default = true },
  user = { kind = "text" },
  password = { kind = "text", secret = true },
  ca_file = { kind = "text" },
  insecure = { kind = "boolean" },
  identity = { kind = "boolean" },
}

local CONNECT_SECONDS = 1
local CALL_SECONDS = 5
local LEAVE_SECONDS = 1
local MAX_BYTES = 8 * 2 ^ 20
local BEHIND_SECONDS, BEHIND_LOOKS = 0.2, 5
local LEFT = "left " -- before the URL of a node that leaves by itself

local UNAUTHENTICATED, NO_USER = 16, 3 -- codes of gRPC

local Etcd = {}
Etcd.__index = Etcd

-- --- calls ---

function Etcd:request(path, body, seconds)
  return { method = "POST", url = self.endpoints[self.at] .. path, body = body,
    headers = { ["Content-Type"] = "application/json", Authorization = self.token },
    timeout = seconds, connect_timeout = CONNECT_SECONDS, max_bytes = MAX_BYTES,
    ca_file = self.ca_file, insecure = self.insecure, identity = self.identity }
end

function Etcd:next_endpoint()
  self.at = self.at % #self.endpoints + 1
end

-- One call at one member. @return answer; or nil, message, whether another member may do better,
-- etcd's code
function Etcd:call_one(path, body, seconds)
  local res, err = http.request(self:request(path, body, seconds))
  if not res then
    return nil, err, true
  end
  local answer = core.decode(res.body, "json")
  if type(answer) ~= "table" then
    return nil, ("%s answered %d, and no JSON"):format(self.endpoints[self.at], res.status), true
  end
  if res.status ~= 200 then
    local why = answer.error or answer.message -- Debian 13's has a message only
    why = type(why) == "string" and why or "no error"
    return nil, ("%s answered %d: %s"):format(self.endpoints[self.at], res.status, why),
      res.status == 503, answer.code
  end
  return answer
end

function Etcd:authenticate(seconds)
  local body = core.encode({ name = self.user, password = self.password or "" }, "json", MAX_BYTES)
  self.token = nil
  local answer, err = self:call_one("/v3/auth/authenticate", body, seconds)
  if not answer then
    return nil, err
  end
  self.token = tostring(answer.token)
  return true
end

-- At one member, with a new token if the old one has expired.
function Etcd:call_here(path, body, seconds)
  if self.user and not self.token then
    local ok, err = self:authenticate(seconds)
    if not ok then
      return nil, err, true
    end
  end
  local answer, err, elsewhere, code = self:call_one(path, body, seconds)
  if not answer and self.user and (code == UNAUTHENTICATED or code == NO_USER) then
    local ok
    ok, err = self:authenticate(seconds)
    if not ok then
      return nil, err, true
    end
    return self:call_one(path, body, seconds)
  end
  return answer, err, elsewhere, code
end

-- A call at the member that worked last, and at the others if it cannot be used.
-- @return answer; or nil, message, etcd's code
function Etcd:call(path, given, seconds)
  local body = core.encode(given, "json", MAX_BYTES)
  local answer, err, elsewhere, code
  for _ = 1, #self.endpoints do
    answer, err, elsewhere, code = self:call_here(path, body, seconds or CALL_SECONDS)
    if answer or not elsewhere then
      return answer, err, code
    end
    self:next_endpoint()
  end
  return nil, err, code
end

-- --- this node's key ---

function Etcd:key_of(url)
  return self.prefix .. url:gsub("^%w+://", "", 1)
end

-- @return whether the lease lives; or nil, message
function Etcd:renew()
  local answer, err = self:call("/v3/lease/keepalive", { ID = self.lease })
  if not answer then
    return nil, err
  end
  local result = type(answer.result) == "table" and answer.result or {}
  return (tonumber(result.TTL) or 0) > 0
end

function Etcd:put(value, seconds)
  return self:call("/v3/kv/put", { key = base64.encode(self:key_of(self.own)),
    value = base64.encode(value), lease = self.lease }, seconds)
end

function Etcd:register_anew()
  local answer, err = self:call("/v3/lease/grant", { TTL = self.ttl })
  if not answer then
    return nil, err
  end
  if self.leaves then
    return true -- this node has taken leave meanwhile; the lease expires without a key
  end
  self.lease = tostring(answer.ID)
  answer, err = self:put(self.own)
  if not answer then
    self.lease = nil
    return nil, err
  end
  return true
end

function Etcd:tend(ctx)
  self.own = ctx.self
  local lives, err
  if self.lease and not self.lost then
    lives, err = self:renew()
    if lives == nil then
      return nil, err
    end
  end
  if not lives then
    self.lost = false
    lives, err = self:register_anew()
    if not lives then
      return nil, err
    end
  end
  return self.ttl / 3
end

-- Other nodes see the key change before it is gone: so they know that this node is not dead.
function Etcd:leave()
  self.leaves = true
  if not self.lease then
    return true
  end
  local lease = self.lease
  self:put(LEFT .. self.own, LEAVE_SECONDS)
  self.lease = nil
  local answer, err = self:call("/v3/lease/revoke", { ID = lease }, LEAVE_SECONDS)
  return answer and true, err
end

-- --- the list ---

-- @return URLs, the revision; or nil, message
function Etcd:read()
  -- A member without a quorum answers, too: with a list that may be a little old.
  local answer, err = self:call("/v3/kv/range", { key = self.first, range_end = self.last,
    serializable = true })
  if not answer then
    return nil, err
  end
  local urls, is_listed = {}, false
  for _, kv in ipairs(type(answer.kvs) == "table" and answer.kvs or {}) do
    local url = base64.decode(kv.value or "") or ""
    if url:sub(1, #LEFT) == LEFT then
      self.left[#self.left + 1] = url:sub(#LEFT + 1)
    else
      urls[#urls + 1] = url
      is_listed = is_listed or url == self.own
    end
  end
  self.lost = self.lease ~= nil and not is_listed -- somebody has deleted the key: tend() mends that
  return urls, tonumber(type(answer.header) == "table" and answer.header.revision) or 0
end

-- Reads the list, of the revision that the watch has told of at least, if the member soon has it.
function Etcd:read_new()
  local urls, revision
  for _ = 1, BEHIND_LOOKS do
    urls, revision = self:read()
    if not urls or revision >= self.seen then
      break
    end
    wait.await(core.sleep(BEHIND_SECONDS), "groupcache.sleep")
  end
  return urls, revision
end

-- A line of the watch. @return whether the list must be read
function Etcd:take_line(line)
  local message = core.decode(line, "json")
  local result = type(message) == "table" and message.result
  if type(result) ~= "table" or result.canceled then
    return true
  end
  local revision = tonumber(type(result.header) == "table" and result.header.revision) or 0
  if result.created then
    return revision < self.revision -- etcd was restored: it would tell of nothing for long
  end
  self.seen = revision
  for _, event in ipairs(type(result.events) == "table" and result.events or {}) do
    local value = type(event.kv) == "table" and base64.decode(event.kv.value or "") or ""
    if value:sub(1, #LEFT) == LEFT then
      self.left[#self.left + 1] = value:sub(#LEFT + 1)
    end
  end
  return type(result.events) == "table" and #result.events > 0
end

-- Waits for a change for some seconds at most. However it ends, the list is read then.
function Etcd:watch(seconds)
  local body = core.encode({ create_request = { key = self.first, range_end = self.last,
    start_revision = ("%.0f"):format(self.revision + 1) } }, "json", MAX_BYTES)
  local stream, err = http.stream(self:request("/v3/watch", body, seconds))
  local line, code
  while stream do
    line, err, code = stream:line()
    if not line or self:take_line(line) then
      break
    end
  end
  if stream then
    stream:close()
  end
  if err and code ~= "TIMEOUT" then
    self:next_endpoint()
    wait.await(core.sleep(0.1 + math.random() * 0.9), "groupcache.sleep")
  end
end

function Etcd:look(ctx)
  self.left = {}
  if self.revision and ctx.wait > 0 then
    self:watch(ctx.wait)
  end
  local urls, revision = self:read_new()
  if not urls then
    self.revision = nil
    return nil, revision
  end
  self.revision, self.seen = revision, 0
  return urls, nil, 0, self.left
end

-- --- the source ---

local function check_endpoints(endpoints)
  if #endpoints == 0 then
    return nil, "discover.etcd: endpoints is empty"
  end
  for _, url in ipairs(endpoints) do
    local ok, err = core.check_peer_url(url)
    if not ok then
      return nil, "discover.etcd: endpoints: " .. err:gsub("^peer ", "")
    end
  end
  return true
end

-- The first key that is behind all keys with the prefix.
local function behind(prefix)
  local head, byte = prefix:match("^(.-)([^\255])\255*$")
  return head and head .. string.char(byte:byte() + 1) or "\0"
end

--- @param given { endpoints = { "http://HOST:PORT" }, prefix =, ttl = seconds [10],
--   register = whether this node has a key [true], user =, password =, ca_file =, insecure =,
--   identity = whether the node's own certificate is shown }
-- @return source; or nil, message
return function(given)
  local o, err = options.check(SCHEMA, given, "discover.etcd")
  if not o then
    return nil, err
  end
  local ok
  ok, err = check_endpoints(o.endpoints)
  if not ok then
    return nil, err
  end
  local hosts = {}
  for i, url in ipairs(o.endpoints) do
    hosts[i] = url:gsub("^http://", "")
  end
  local source = setmetatable({
    name = ("etcd://%s%s"):format(table.concat(hosts, ","), o.prefix),
    host = hosts[1]:gsub("^https://", ""):match("^%[?(.-)%]?:%d+$"),
    endpoints = o.endpoints, at = 1, prefix = o.prefix, ttl = o.ttl, user = o.user,
    password = o.password, ca_file = o.ca_file, insecure = o.insecure, identity = o.identity,
    first = base64.encode(o.prefix), last = base64.encode(behind(o.prefix)), left = {}, seen = 0,
  }, Etcd)
  if not o.register then
    source.tend, source.leave = false, false
  end
  return source
end
