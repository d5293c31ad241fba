-- SPDX-License-Identifier: MIT

--- A stand-in for an agent of Consul, which Debian does not have: registration, checks that expire,
--- and blocking queries, by the rules of Consul's documentation. It can be wrong in many ways.
---
---   local c = consul.start()
---   c.address                 "127.0.0.1:port"
---   c:set { mode = ... }      how it answers to queries from now on; "fine" again:
---     "fail" 500, "cut" ends in the middle, "html" is no JSON, "late" a sixteenth after the wait,
---     "silent" never, "lower" with a lower index, "zero" with index 0, "empty" with no instance
---   c:set { drop = id }       forgets an instance; { add = "host:port" } adds one of another node
---   c:services() -> list of "host:port" of passing instances, sorted
---   c:asked(pattern) -> how many requests matched
---   c:stop()

local cjson = require "cjson"
local fake = require "node.fake"
local http = require "support.http"

local consul = {}
consul.__index = consul

local SERVER = [[
local cjson, socket = require "cjson", require "socket"
local now = socket.gettime
local registered, index, mode = {}, 7, "fine"

local function expire()
  for _, s in pairs(registered) do
    if s.passing and s.until_time and s.until_time < now() then
      s.passing, index = false, index + 1
    end
  end
end

local function passing()
  expire()
  local list = setmetatable({}, cjson.array_mt)
  for id, s in pairs(registered) do
    if s.passing then
      list[#list + 1] = { Node = { Address = s.host }, Checks = {}, Service = { ID = id,
        Address = s.bare and "" or s.host, Port = s.port } }
    end
  end
  return list
end

local function answer(c, status, body, headers)
  c:send(("HTTP/1.1 %d X\r\nContent-Length: %d\r\n%s\r\n%s"):format(status, #body, headers or "",
    body))
end

local function query(c, target)
  local last, wait = tonumber(target:match "[?&]index=(%d+)"), tonumber(target:match "wait=(%d+)s")
  local until_time = now() + (wait or 0) * (mode == "late" and 1 + 1 / 16 or 1)
  while last == index and mode ~= "fail" and (now() < until_time or mode == "silent") do
    c:sleep(0.02)
    expire()
  end
  local list = cjson.encode(mode == "empty" and setmetatable({}, cjson.array_mt) or passing())
  if list == "{}" then list = "[]" end
  local said = ({ lower = 1, zero = 0 })[mode] or index
  local head = "X-Consul-Index: " .. said .. "\r\n"
  if mode == "fail" then
    answer(c, 500, "No cluster leader")
  elseif mode == "html" then
    answer(c, 200, "<html></html>", head)
  elseif mode == "cut" then
    c:send(("HTTP/1.1 200 X\r\nContent-Length: %d\r\n%s\r\n%s"):format(#list + 9, head, list))
    c:close()
  else
    answer(c, 200, list, head)
  end
end

local function decode(text)
  return (text:gsub("%%(%x%x)", function(h) return string.char(tonumber(h, 16)) end))
end

return function(request, c)
  local target = request.target
  local pass = target:match "^/v1/agent/check/pass/service:(.*)$"
  local leave = target:match "^/v1/agent/service/deregister/(.*)$"
  if target:find "^/v1/health/service/gc%?passing" then
    return query(c, target)
  elseif target == "/v1/agent/service/register" then
    local s = cjson.decode(request.body)
    local ttl = tonumber(s.Check.TTL:match "^(%d+)s$")
    registered[s.ID] = { host = s.Address, port = s.Port, ttl = ttl, passing = true,
      until_time = now() + ttl }
    index = index + 1
  elseif pass then
    local s = registered[decode(pass)]
    if not s then
      return answer(c, 404, "Unknown check ID")
    end
    index = s.passing and index or index + 1
    s.passing, s.until_time = true, now() + s.ttl
  elseif leave then
    registered[decode(leave)] = nil
    index = index + 1
  elseif target == "/set" then
    local given = cjson.decode(request.body)
    mode = given.mode or mode
    if given.drop then registered[given.drop] = nil end
    if given.add then
      registered[given.add] = { host = given.add:match "^(.*):", passing = true, bare = true,
        port = tonumber(given.add:match ":(%d+)$") }
    end
    index = index + 1
  elseif target == "/services" then
    return answer(c, 200, cjson.encode(passing()))
  end
  answer(c, 200, "")
end
]]

function consul.start()
  local server = fake.start(SERVER)
  return setmetatable({ server = server, port = server.port,
    address = "127.0.0.1:" .. server.port }, consul)
end

function consul:set(what)
  local res = assert(http.request { host = "127.0.0.1", port = self.port, method = "PUT",
    target = "/set", body = cjson.encode(what) })
  assert(res.status == 200)
end

function consul:services()
  local res = assert(http.request { host = "127.0.0.1", port = self.port, target = "/services" })
  local list = {}
  for i, entry in ipairs(cjson.decode(res.body)) do
    list[i] = ("%s:%d"):format(entry.Node.Address, entry.Service.Port)
  end
  table.sort(list)
  return list
end

function consul:asked(pattern)
  local n = 0
  for _, line in ipairs(self.server:requests()) do
    n = n + (line:find(pattern) and 1 or 0)
  end
  return n
end

function consul:stop()
  self.server:stop()
end

return consul
