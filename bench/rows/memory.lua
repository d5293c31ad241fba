-- SPDX-License-Identifier: MIT
-- What a million entries of 12 bytes of key and 100 of value cost beyond those 112 bytes: the
-- growth of the process's resident memory, from 10 000 entries on. Ours and Go in a program of
-- their own, as it runs and after a collection; memcached and Redis over their protocols, without
-- persistence.

local pin = require "bench.lib.pin"
local ports = require "support.ports"
local process = require "support.process"
local program = require "bench.lib.program"
local eventually = require "support.eventually"
local socket = require "socket"
local tmp = require "support.tmp"
local usage = require "bench.lib.usage"

local ENTRIES, FIRST, BATCH = 1000000, 10000, 1000
local VALUE = ("x"):rep(100)

-- Sends count commands and reads as many answers, BATCH at a time.
local function fill(c, store, first, count)
  for at = first, first + count - 1, BATCH do
    local commands = {}
    for i = 1, BATCH do
      commands[i] = store.set:format(("k%011d"):format(at + i), VALUE)
    end
    assert(c:send(table.concat(commands)))
    local answer = assert(c:receive(#store.stored * BATCH))
    if answer ~= store.stored:rep(BATCH) then
      error("it did not store: " .. answer:sub(1, 80))
    end
  end
end

local function measure(store)
  local port, log = ports.free(), tmp.dir() .. "/log"
  local command = pin.on_server(store.command(port))
  command.stdout, command.stderr, command.cwd = log, log, tmp.dir()
  local p = process.spawn(command)
  local c = eventually(function()
    return socket.connect("127.0.0.1", port) or not p:alive() and "ended"
  end, 10, store.name .. " listens")
  if c == "ended" then
    error(store.name .. " did not start: " .. tmp.read(log))
  end
  c:settimeout(60)
  fill(c, store, 0, FIRST)
  local before = usage.rss(p.pid)
  fill(c, store, FIRST, ENTRIES)
  local after = usage.rss(p.pid)
  c:close()
  p:kill "SIGKILL"
  p:wait(10)
  return { bytes = (after - before) / ENTRIES - 112 }
end

local user = require("posix.unistd").geteuid() == 0 and "root" or nil

local memcached = { name = "memcached", stored = "STORED\r\n", set = "set %s 0 0 100\r\n%s\r\n",
  command = function(port)
    return { "memcached", "-l", "127.0.0.1", "-p", port, "-U", "0", "-m", "4096", "-t", "1",
      unpack(user and { "-u", user } or {}) }
  end }

local redis = { name = "Redis", stored = "+OK\r\n",
  set = "*3\r\n$3\r\nSET\r\n$12\r\n%s\r\n$100\r\n%s\r\n",
  command = function(port)
    return { "redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "",
      "--appendonly", "no" }
  end }

return {
  title = "memory per entry, 1 M x (12 B + 100 B)",
  sides = {
    { name = "ours", round = function()
      return program.run(pin.on_server { "luajit", "bench/inside/memory.lua", ENTRIES })
    end },
    { name = "Go", round = function()
      return program.run(pin.on_server { program.built "gopeer", "memory", "-entries", ENTRIES })
    end },
    { name = "memcached", round = function() return measure(memcached) end },
    { name = "Redis", round = function() return measure(redis) end },
  },
  lines = {
    { figure = "bytes over key and value", of = "bytes", ours = "ours", reach = 80,
      better = "less" },
    { figure = "bytes over key and value", of = "bytes", ours = "ours", peer = "Go" },
    { figure = "the same, after a collection", of = "collected", ours = "ours", peer = "Go" },
    { figure = "bytes over key and value", of = "bytes", ours = "ours", peer = "memcached" },
    { figure = "bytes over key and value", of = "bytes", ours = "ours", peer = "Redis" },
  },
}
