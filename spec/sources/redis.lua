-- SPDX-License-Identifier: MIT

--- A real Redis in a temporary folder, on a port of its own.
--
--   redis.missing -> nil, or what is not installed
--   redis.start() -> server         empty; raises when it does not come up
--     server.address                "127.0.0.1:PORT"
--     server:call(word, ...) -> reply   a text, a number or nil; raises for an error. Any bytes
--     server:served() -> number     how many GETs it has answered since it started
--     server:connections() -> number    of others than this one
--     server:stop()                 writes its data down and ends
--     server:kill9()
--     server:start()                the same data again, at the same address

local lfs = require "lfs"
local ports = require "support.ports"
local process = require "support.process"
local socket = require "socket"
local tmp = require "support.tmp"

local PROGRAM = "/usr/bin/redis-server"

local redis = {}
local methods = {}
methods.__index = methods

redis.missing = not lfs.attributes(PROGRAM, "mode") and "no Redis (redis-server)"
  or not pcall(require, "cqueues") and "no cqueues (lua-cqueues)" or nil

function redis.start()
  local server = setmetatable({ dir = tmp.dir(), port = ports.free() }, methods)
  server.address = "127.0.0.1:" .. server.port
  server:start()
  return server
end

function methods:start()
  local log = self.dir .. "/log"
  self.process = process.spawn { PROGRAM, "--port", tostring(self.port), "--bind", "127.0.0.1",
    "--dir", self.dir, "--save", "", "--appendonly", "no", stdout = log, stderr = log }
  self.process:comes_up("Redis", 20, function()
    return pcall(self.call, self, "PING")
  end, log)
end

local function read_reply(conn)
  local line = assert(conn:receive "*l")
  local kind, rest = line:match "^(.)(.*)$"
  if kind == "-" then
    error(rest, 0)
  elseif kind == "$" then
    return rest ~= "-1" and assert(conn:receive(tonumber(rest) + 2)):sub(1, -3) or nil
  end
  return kind == ":" and tonumber(rest) or rest
end

function methods:call(...)
  local words = { ... }
  local out = { ("*%d\r\n"):format(#words) }
  for _, word in ipairs(words) do
    out[#out + 1] = ("$%d\r\n"):format(#word) .. word .. "\r\n"
  end
  local conn = assert(socket.connect("127.0.0.1", self.port))
  conn:settimeout(10)
  assert(conn:send(table.concat(out)))
  local ok, reply = pcall(read_reply, conn)
  conn:close()
  return ok and reply or not ok and error(reply, 2) or nil
end

function methods:served()
  return tonumber(self:call("INFO", "commandstats"):match "cmdstat_get:calls=(%d+)" or 0)
end

function methods:connections()
  return tonumber(self:call("INFO", "clients"):match "connected_clients:(%d+)") - 1
end

function methods:stop()
  pcall(self.call, self, "SHUTDOWN", "SAVE")
  return (self.process:wait(20))
end

function methods:kill9()
  self.process:kill "SIGKILL"
  self.process:wait(10)
end

return redis
