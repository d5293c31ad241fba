-- SPDX-License-Identifier: MIT

--- A cluster of real nodes under a schedule of faults that a seed gives. Nodes are killed and
-- started again, stopped and continued, reloaded; the time of day of a node is stepped; the source
-- is slow, or fails. The links between nodes pass through links.lua: those to a node are late and
-- narrow ("late"), let nothing pass for a while ("held"), or end in the middle of an answer
-- ("resets"). In a network namespace (CHAOS_NAMESPACE=1) the packets to a node are dropped, too.
--
--   local c = cluster.new { seed=, nodes=3, seconds=, kinds=cluster.KINDS }
--   c:say_schedule()      prints it
--   c:run(each)           runs the clients and the faults; each() is called now and then
--   c:settles()           waits until no load is under way
--   c:say_counts(), c.counts, c.trouble (texts: each a broken rule), c.nodes
--
-- Clients check each byte, and a register: one writer a key puts the versions 1, 2, 3 ... into the
-- source, then sets or removes the key. A get that begins after that was confirmed never gives an
-- older version.

local faults = require "support.faults"
local http = require "support.http"
local links = require "chaos.links"
local node = require "support.node"
local ports = require "support.ports"
local process = require "support.process"
local rig = require "node.rig"
local socket = require "socket"
local tmp = require "support.tmp"

local KEYS, READERS, WRITERS = 24, 6, 3

local SCRIPT = [[
local groupcache = require "groupcache"
local function read(name)
  local f = io.open(rig.dir .. "/" .. name)
  local text = f and f:read "*a"
  if f then f:close() end
  return text
end
groupcache.group("g", { writable = true, hot = "always", timeout = 2, getter = function(key)
  local text = read(key)
  local mood = read "mood"
  if mood == "slow" then groupcache.sleep(0.3) end
  if mood == "fails" then return nil, "the source fails" end
  return text
end })
]]

-- ---- numbers of the seed ------------------------------------------------------------------------

-- Lehmer's generator (Park and Miller, 1988): the same numbers everywhere.
local function randomizer(seed)
  local state = seed % 2147483646 + 1
  return function(n)
    state = state * 48271 % 2147483647
    return state % n
  end
end

-- { at= seconds, what=, node=, lasts= }. No kind comes again before all others have come.
local function schedule(random, nodes, seconds, all)
  local list, at, left = {}, 1, {}
  while at < seconds - 5 do
    if #left == 0 then
      left = { unpack(all) }
    end
    list[#list + 1] = { at = at, what = table.remove(left, random(#left) + 1),
      node = random(nodes) + 1, lasts = 0.2 + random(30) / 10 }
    at = at + list[#list].lasts + random(20) / 10
  end
  return list
end

-- ---- values -------------------------------------------------------------------------------------

local function value(key, version)
  return ("%s %d "):format(key, version) .. ("0123456789"):rep(version * 7 % 300)
end

-- The version of a value; nil: it is not one that was ever written.
local function version_of(key, body)
  local version = tonumber(body:match("^" .. key:gsub("%-", "%%-") .. " (%d+) "))
  return version and body == value(key, version) and version or nil
end

-- ---- a cluster ----------------------------------------------------------------------------------

local cluster = { cuts = os.getenv "CHAOS_NAMESPACE" == "1" }
cluster.KINDS = require "chaos.kinds"(cluster.cuts)

local chaos = {}
chaos.__index = chaos

function cluster.new(o)
  local random, nodes = randomizer(o.seed), o.nodes
  local c = setmetatable({ nodes = {}, clocks = {}, ports = {}, hosts = {}, urls = {},
    rig = rig.new(), links = links.new(o.seed), doors = {},
    seconds = o.seconds, random = random, written = {}, confirmed = {}, trouble = {},
    schedule = schedule(random, nodes, o.seconds, o.kinds or cluster.KINDS),
    counts = { gets = 0, values = 0, changes = 0, confirmed = 0, faults = 0 } }, chaos)
  for i = 1, nodes do
    c.ports[i] = ports.free()
    c.hosts[i] = "127.0.1." .. i
    c.doors[i] = ("127.0.2.%d:%d"):format(i, c.ports[i])
    c.urls[i] = "http://" .. c.doors[i]
    c.links:add(c.doors[i], ("%s:%d"):format(c.hosts[i], c.ports[i]))
  end
  c.links:wait()
  for i = 1, KEYS do
    c.written["key-" .. i], c.confirmed["key-" .. i] = 0, 0
    c:write_source("key-" .. i, value("key-" .. i, 0))
  end
  c.script = tmp.file(c.rig:script(SCRIPT), "chaos.lua")
  for i = 1, nodes do
    c:start_node(i)
  end
  for i = 1, nodes do
    rig.wait(c.nodes[i], function()
      local res = c:ask(i, { target = "/readyz", timeout = 1 })
      return res and res.status == 200
    end, 20, "a node that is ready")
  end
  return c
end

function chaos:write_source(name, text)
  local path = self.rig.dir .. "/" .. name
  tmp.write(path .. ".new", text)
  assert(os.rename(path .. ".new", path))
end

function chaos:start_node(i)
  self.clocks[i] = self.clocks[i] or faults.new() or nil
  self.nodes[i] = node.start { script = self.script, host = self.hosts[i],
    env = self.clocks[i] and self.clocks[i].env,
    port = self.ports[i], self = self.urls[i], peers = self.urls, ready = false,
    args = { "--peer-changes", "127.0.0.0/8", "--workers", "1", "--http-threads", "1" } }
  self.links:set(self.doors[i], {})
end

function chaos:ask(i, request)
  request.host, request.port = self.hosts[i], self.ports[i]
  request.timeout = request.timeout or 8
  return http.request(request)
end

function chaos:any_node()
  return self.random(#self.ports) + 1
end

function chaos:broken(fmt, ...)
  self.trouble[#self.trouble + 1] = ("%.1f s: "):format(socket.gettime() - self.began)
    .. fmt:format(...)
end

-- ---- clients ------------------------------------------------------------------------------------

-- Returns the version, or nil without a value.
function chaos:get(i, key)
  local res = self:ask(i, { target = "/cache/g/" .. key })
  self.counts.gets = self.counts.gets + 1
  if not res or res.status ~= 200 then
    return nil
  end
  self.counts.values = self.counts.values + 1
  local version = version_of(key, res.body)
  if not version or version > self.written[key] then
    self:broken("node %d gave %d bytes for %s that nobody has written: %q", i, #res.body, key,
      res.body:sub(1, 60))
    return nil
  end
  return version
end

function chaos:read_once()
  local key, i = "key-" .. self.random(KEYS) + 1, self:any_node()
  local least = self.confirmed[key]
  local version = self:get(i, key)
  if version and version < least then
    self:broken("node %d gave version %d of %s after %d was confirmed", i, version, key, least)
  end
end

function chaos:write_once(writer)
  local key = "key-" .. self.random(KEYS / WRITERS) * WRITERS + writer
  local version = self.written[key] + 1
  local sets = self.random(2) == 0
  self.written[key] = version
  self:write_source(key, value(key, version))
  local res = self:ask(self:any_node(), { target = "/cache/g/" .. key,
    method = sets and "PUT" or "DELETE", body = sets and value(key, version) or nil })
  self.counts.changes = self.counts.changes + 1
  if res and res.status < 300 then
    self.confirmed[key] = version
    self.counts.confirmed = self.counts.confirmed + 1
  end
end

-- ---- faults -------------------------------------------------------------------------------------

local begin, finish = {}, {}

function begin.kill(c, i)
  c.nodes[i]:kill9()
  c.links:set(c.doors[i], { state = "down" })
end

function finish.kill(c, i)
  c:start_node(i)
end

function begin.stop(c, i)
  c.nodes[i].process:kill "SIGSTOP"
end

function finish.stop(c, i)
  c.nodes[i].process:kill "SIGCONT"
end

function begin.reload(c, i)
  c.nodes[i].process:kill "SIGHUP"
end

function finish.reload() end

-- Nobody reaches its address, neither by a new connection nor by one that is there.
local function route(c, what, i)
  local said = process.run { "ip", "route", what, "blackhole", c.hosts[i] .. "/32", "table",
    "local" }
  assert(said.code == 0, said.stderr)
end

function begin.cut(c, i)
  route(c, "add", i)
end

function finish.cut(c, i)
  route(c, "del", i)
end

-- A link as between cities, through a modem.
function begin.late(c, i)
  c.links:set(c.doors[i], { delay_ms = 20 + c.random(400), rate = 20000 })
end

function begin.held(c, i)
  c.links:set(c.doors[i], { state = "held" })
end

function begin.resets(c, i)
  c.links:set(c.doors[i], { resets = 100 })
end

local function good_link(c, i)
  c.links:set(c.doors[i], {})
end

finish.late, finish.held, finish.resets = good_link, good_link, good_link

-- Two hours, in either direction. A build for a sanitizer has no such clock.
function begin.clock(c, i)
  if c.clocks[i] then
    c.clocks[i]:step_wall((c.random(2) == 0 and 1 or -1) * 7200)
  end
end

function finish.clock(c, i)
  if c.clocks[i] then
    c.clocks[i]:step_wall(0)
  end
end

function begin.slow(c)
  c:write_source("mood", "slow")
end

function begin.fails(c)
  c:write_source("mood", "fails")
end

local function good_mood(c)
  c:write_source("mood", "good")
end

finish.slow, finish.fails = good_mood, good_mood

-- One fault at a time, and then the next.
function chaos:disturb()
  for _, fault in ipairs(self.schedule) do
    http.pause(math.max(0.01, self.began + fault.at - socket.gettime()))
    self.counts.faults = self.counts.faults + 1
    begin[fault.what](self, fault.node)
    http.pause(fault.lasts)
    finish[fault.what](self, fault.node)
  end
end

function chaos:run(each)
  local fns = { function() self:disturb() end }
  self.began = socket.gettime()
  local function loop(fn, ...)
    local args = { ... }
    fns[#fns + 1] = function()
      while socket.gettime() < self.began + self.seconds do
        fn(self, unpack(args))
        http.pause(0.002)
      end
    end
  end
  for _ = 1, READERS do
    loop(chaos.read_once)
  end
  for writer = 1, WRITERS do
    loop(chaos.write_once, writer)
  end
  if each then
    loop(function()
      each()
      http.pause(self.seconds / 100)
    end)
  end
  http.together(fns)
end

-- All nodes are up: nothing is under way any more, in the end.
function chaos:settles()
  for i = 1, #self.ports do
    rig.wait(self.nodes[i], function()
      local group = self.nodes[i]:stats().groups.g
      return group.flights == 0 and group.waiters == 0
    end, 20, "a node without loads")
  end
end

local function say(...)
  io.stderr:write("chaos: ", (...):format(select(2, ...)), "\n")
end

function chaos:say_schedule()
  for _, f in ipairs(self.schedule) do
    say("  at %5.1f s: %s node %d for %.1f s", f.at, f.what, f.node, f.lasts)
  end
end

function chaos:say_counts()
  local n = self.counts
  say("%d nodes: %d gets, %d values, %d changes, %d confirmed, %d faults",
    #self.nodes, n.gets, n.values, n.changes, n.confirmed, n.faults)
end

return cluster
