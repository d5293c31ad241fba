-- SPDX-License-Identifier: MIT
-- redis.lua: values from Redis, over sockets of cqueues (lua-cqueues). While a getter waits for an
-- answer, the others of its VM run. Connections are kept and used again.
--   redis-cli set index hello
--   REDIS=127.0.0.1:6379 build/bin/groupcached examples/redis.lua
--   curl -i http://127.0.0.1:8080/cache/pages/index
-- Without the server: 502 {"error":"Redis: Connection refused","code":"GETTER"}

local groupcache = require "groupcache"
local errno, socket = require "cqueues.errno", require "cqueues.socket"

local HOST, PORT = (os.getenv "REDIS" or "127.0.0.1:6379"):match "^(.*):(%d+)$"
local idle = {} -- connections of this VM that no getter uses

local function connect()
  local conn = socket.connect { host = HOST, port = PORT, nodelay = true }
  conn:setmode("b", "bf")
  conn:onerror(function(_, _, code) return errno.strerror(code) end) -- nil and a text, no throw
  return conn
end

local function ask(conn, key) -- the value, false: no such key; or nil and an error
  local _, err = conn:write("*2\r\n$3\r\nGET\r\n$", #key, "\r\n", key, "\r\n")
  local line, why = conn:read "*l"
  local size = tonumber((line or ""):match "^%$(%-?%d+)")
  if not size then return nil, line and line:sub(2, -2) or why or err or "connection closed" end
  local value = size >= 0 and conn:read(size + 2)
  if size >= 0 and #(value or "") < size + 2 then return nil, "connection closed" end
  return value and value:sub(1, -3)
end

groupcache.group("pages", { ttl = 60, getter = function(key)
  local kept = table.remove(idle) -- the server may have closed it
  local conn = kept or connect()
  local value, err = ask(conn, key)
  if value == nil and kept then conn = connect() value, err = ask(conn, key) end
  if value ~= nil then idle[#idle + 1] = conn end
  return value or nil, err and "Redis: " .. err
end })
return { loop = "cqueues" }
