-- SPDX-License-Identifier: MIT

--- Three nodes, of which the third gets into trouble of some kind, and back.
--
--   local c = outage.start{ kind = "stop", script = source, args = {}, env = {} }
--   c.nodes[1], c.nodes[2]     are asked; c.urls has all three
--   c:begin()                  the trouble begins
--   c:finish()                 the third node is well again
--   c:stop()                   ends all
--   outage.check(kind, opts)   clients in closed loops ask the first two nodes before, while and
--                              after that: fails when a request does, or when soon one is slow
--   outage.SCRIPT              what check() starts; and a group "slow"
--   outage.KINDS               { name = what it is }
-- opts.go is interop.golang: the third node is a Go node.
--   outage.has_namespaces() -> true | nil, why      what "cut" needs; the caller must run in a
--                              network namespace of its own, outage.in_namespace(command)
--
-- A kind is the name of what happens to the third node:
--   kill     it is killed, and started again
--   stop     it is stopped by a signal: the kernel still takes connections
--   flap     it is stopped and goes on each half second; c:turn() is to be called now and then
--   mute     another server has its port, which takes connections and says nothing
--   slow     another server, which answers 500 after half a second
--   garbage  another server, whose answers are no HTTP
--   wrong    another server, whose answers are HTTP and nothing that a node would say
--   cut      its packets are dropped, in both directions as far as anybody can see

local cjson = require "cjson"
local eventually = require "support.eventually"
local fake = require "node.fake"
local http = require "support.http"
local node = require "support.node"
local ports = require "support.ports"
local process = require "support.process"
local rig = require "node.rig"
local socket = require "socket"
local tmp = require "support.tmp"
local unistd = require "posix.unistd"

local outage = {}
outage.__index = outage

local NEAR, FAR = "10.77.0.1", "10.77.0.2" -- the two ends of the wire to the third node
local FLAP_S = 0.5

local SERVERS = {
  mute = [[return function(_, c) c:sleep(3600) end]],
  slow = [[return function(_, c)
    c:sleep(0.5)
    c:send "HTTP/1.1 500 Oh\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\noh\n"
  end]],
  garbage = [[return function(_, c)
    c:send "\1\2\3 no such thing as a status\r\n\r\n"
    c:close()
  end]],
  wrong = [[return function(_, c)
    c:send "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\n\r\n<html>"
  end]],
}

outage.KINDS = { "kill", "stop", "flap", "mute", "slow", "garbage", "wrong", "cut" }

-- ---- a network namespace -----------------------------------------------------------------------

local function run(...)
  local r = process.run { ... }
  return r.code == 0 and r.stdout or nil, r.stderr
end

local function must(...)
  local out, why = run(...)
  return out or error(table.concat({ ... }, " ") .. ": " .. tostring(why), 2)
end

function outage.has_namespaces()
  local ok, why = run("unshare", "-n", "ip", "link", "set", "lo", "up")
  return ok and true or nil, why
end

--- The same command in a namespace of its own.
function outage.in_namespace(command)
  local out = { "unshare", "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh" }
  for _, word in ipairs(command) do
    out[#out + 1] = word
  end
  for name, value in pairs(command) do
    if type(name) == "string" then
      out[name] = value
    end
  end
  return out
end

-- A program that waits in a namespace of its own for its end of the wire, and becomes groupcached.
local function far_program()
  local path = tmp.file(([[#!/bin/sh
exec unshare -n sh -c '
  until ip addr show dev far >/dev/null 2>&1; do sleep 0.01; done
  ip link set lo up; ip link set far up; ip addr add %s/24 dev far
  exec "$@"' sh %s "$@"
]]):format(FAR, node.binary), "far.sh")
  must("chmod", "+x", path)
  return path
end

local function namespace(pid)
  return unistd.readlink(("/proc/%s/ns/net"):format(pid))
end

local function lay_wire(n)
  must("ip", "link", "add", "near", "type", "veth", "peer", "name", "far")
  must("ip", "addr", "add", NEAR .. "/24", "dev", "near")
  must("ip", "link", "set", "near", "up")
  eventually(function() return namespace(n.process.pid) ~= namespace "self" end)
  must("ip", "link", "set", "far", "netns", n.process.pid)
end

-- The third node's answers are dropped there, so nothing that arrives is answered.
local function route(n, what)
  must("nsenter", "-t", n.process.pid, "-n", "ip", "route", what, "blackhole", NEAR .. "/32")
end

-- ---- the nodes ---------------------------------------------------------------------------------

function outage:start_one(i)
  local o = self.opts
  if o.go and i == 3 then
    return o.go.start { self = self.urls[3], peers = self.urls, groups = { "g" },
      args = { "-listen", self.hosts[3] .. ":" .. self.ports[3] } }
  end
  local env = { NODE = "n" .. i }
  for name, value in pairs(o.env or {}) do
    env[name] = value
  end
  local cut = o.kind == "cut"
  return node.start { script = o.script, args = o.args, env = env, port = self.ports[i],
    host = self.hosts[i], peers = self.urls, ready = false, program = cut and i == 3
    and far_program() or nil }
end

local function wait_ready(n)
  if n.kind == "go" then
    return -- it was when it started
  end
  eventually(function()
    local res = n:request { target = "/readyz", timeout = 1 }
    return res and res.status == 200
  end, 20, "ready")
end

function outage.start(opts)
  local c = setmetatable({ opts = opts, nodes = {}, urls = {}, ports = {}, hosts = {} }, outage)
  for i = 1, 3 do
    c.hosts[i] = opts.kind ~= "cut" and "127.0.0.1" or i == 3 and FAR or NEAR
    c.ports[i] = ports.free()
    c.urls[i] = ("http://%s:%d"):format(c.hosts[i], c.ports[i])
  end
  local first = opts.kind == "cut" and 3 or 1
  for i = first, first == 3 and 1 or 3, first == 3 and -1 or 1 do
    c.nodes[i] = c:start_one(i)
    if opts.kind == "cut" and i == 3 then
      lay_wire(c.nodes[3])
    end
  end
  for _, n in ipairs(c.nodes) do
    wait_ready(n)
  end
  return c
end

function outage:begin()
  local kind, third = self.opts.kind, self.nodes[3]
  if kind == "stop" or kind == "flap" then
    third.process:freeze()
    self.stopped, self.turned = true, socket.gettime()
  elseif kind == "cut" then
    route(third, "add")
  else
    third:kill9()
    if SERVERS[kind] then
      self.fake = fake.start(SERVERS[kind], { FAKE_PORT = self.ports[3] })
    end
  end
end

--- Of "flap": stops the third node, or lets it go on, once half a second has passed.
function outage:turn()
  if self.opts.kind == "flap" and self.turned and socket.gettime() >= self.turned + FLAP_S then
    self.stopped, self.turned = not self.stopped, socket.gettime()
    self.nodes[3].process:kill(self.stopped and "SIGSTOP" or "SIGCONT")
  end
end

function outage:finish()
  local kind = self.opts.kind
  if kind == "stop" or kind == "flap" then
    self.turned = nil
    self.nodes[3].process:kill "SIGCONT"
  elseif kind == "cut" then
    route(self.nodes[3], "del")
  else
    if self.fake then
      self.fake:stop()
      self.fake = nil
    end
    self.nodes[3] = self:start_one(3)
    wait_ready(self.nodes[3])
  end
end

function outage:stop()
  if self.fake then
    self.fake:stop()
  end
  for _, n in ipairs(self.nodes) do
    if n.process:alive() then
      n.process:kill "SIGCONT"
      if n.kind == "go" then
        n:kill9()
      else
        n:stop()
      end
    end
  end
end

--- The third node, as another of them sees it in its /stats.
function outage:seen_by(i)
  local n = self.nodes[i]
  local at = n:logged 'msg="listening for operators" addr=(%S+)' or self.hosts[i] .. ":" .. n.port
  local stats = cjson.decode(assert(http.get("http://" .. at .. "/stats")).body)
  for _, peer in ipairs(stats.peers) do
    if peer.url == self.urls[3] then
      return peer
    end
  end
end

-- ---- clients -----------------------------------------------------------------------------------

local CLIENTS, KEYS = 12, 400
local SOON_S = 1      -- from then on it costs next to nothing
local SLOWEST_S = 4 -- of 99 in 100, on a machine with other work; the timeout is 5 s

outage.SCRIPT = [[
local groupcache = require "groupcache"
groupcache.group("g", { hot = "never", timeout = 5, getter = function(key)
  rig.record(key)
  return "v:" .. key
end })
groupcache.group("slow", { hot = "never", timeout = 10, getter = function(key)
  rig.record(key)
  groupcache.sleep(1.5)
  return key
end })
return { workers = 1, http_threads = 1 }
]]

-- Clients ask for any key, one after another, for so many seconds. Returns what failed, and how
-- long the others took, in order. at_start is called while they ask.
local function ask(c, seconds, at_start)
  local failed, took, clients = {}, {}, {}
  local stop = socket.gettime() + seconds
  for i = 1, CLIENTS do
    clients[i] = function()
      local n, k = c.nodes[1 + i % 2], math.floor(i * KEYS / CLIENTS)
      while socket.gettime() < stop do
        k = (k + 1) % KEYS
        local began, key = socket.gettime(), "key-" .. k
        local res, err = n:get("g", key)
        if not res or res.status ~= 200 or res.body ~= "v:" .. key then
          failed[#failed + 1] = key .. ": " .. (res and res.status .. " " .. res.body or err)
        else
          took[#took + 1] = socket.gettime() - began
        end
        c:turn()
      end
    end
  end
  if at_start then
    table.insert(clients, at_start)
  end
  http.together(clients)
  table.sort(took)
  return failed, took
end

local function none(failed, when)
  if #failed > 0 then
    error(("%d requests failed %s, the first: %s"):format(#failed, when, failed[1]), 0)
  end
end

-- The most calls of a getter for a key since `before`.
local function most_calls(r, before)
  local most = 0
  for key, n in pairs(r:calls()) do
    most = math.max(most, n - (before[key] or 0))
  end
  return most
end

local function check_while(c, r, calls)
  local failed, took = ask(c, 1.5)
  none(failed, "while")
  local p99 = took[math.ceil(#took * 0.99)] or math.huge
  assert(p99 < SLOWEST_S, ("99 in 100 took up to %.3f s"):format(p99))
  local most, seen = most_calls(r, calls), c:seen_by(1)
  assert(most <= 2, ("a getter ran %d times for a key"):format(most))
  assert(seen.ejections <= 3, ("%d ejections"):format(seen.ejections))
  if c.opts.kind ~= "flap" then
    assert(seen.state ~= "fine", "the node is taken for fine")
    assert(c.nodes[1]:logged "peer is out of use, its keys go to their next owners")
  end
end

function outage.check(kind, opts)
  local r = rig.new()
  local o = { kind = kind, script = r:script(outage.SCRIPT), args = { "--connect-timeout", "0.2" } }
  for name, value in pairs(opts or {}) do
    o[name] = value
  end
  local c = outage.start(o)
  none(ask(c, 1), "before")
  local calls = r:calls()
  none(ask(c, SOON_S, function() c:begin() end), "when it began")
  check_while(c, r, calls)
  c:finish()
  none(ask(c, 0.5), "after")
  eventually(function() return c:seen_by(1).state == "fine" end, 20, "in use again")
  c:stop()
end

return outage
