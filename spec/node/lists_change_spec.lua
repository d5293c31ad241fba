-- SPDX-License-Identifier: MIT

-- Removals hold while the nodes' lists of peers change, at each node at another moment, and while
-- rings differ for good: once a removal is confirmed, no read that begins later has a value that
-- was loaded before it.
--
-- A history is drawn from a seed. SEED=n repeats one.

local http = require "support.http"
local node = require "support.node"
local ports = require "support.ports"
local rig = require "node.rig"
local socket = require "socket"
local tmp = require "support.tmp"

local LEAST_READS, LEAST_REMOVALS = 500, 60
local NODES, KEYS, SECONDS = 4, 12, tonumber(os.getenv "HISTORY_SECONDS") or 4

-- The source of a key is a file with the number of its version.
local SCRIPT = [[
local groupcache = require "groupcache"
local me = os.getenv "NODE"
groupcache.group("g", { hot = "always", writable = true, getter = function(key)
  local f = assert(io.open(rig.dir .. "/key-" .. key))
  local version = f:read "*a"
  f:close()
  groupcache.sleep(0.002)
  return version
end })
return { workers = 1, http_threads = 1, peers = dofile(rig.dir .. "/peers-" .. me) }
]]

local World = {}
World.__index = World

-- replace() is atomic, so no getter reads half of a file.
function World:write(name, text)
  local path = self.rig.dir .. "/" .. name
  tmp.write(path .. ".new", text)
  assert(os.rename(path .. ".new", path))
end

function World:set_list(i, members)
  self:write("peers-" .. i, rig.list_text(self.urls, members))
end

function World:start(i)
  local replicas = self.replicas[i]
  self.nodes[i] = node.start { port = self.at[i], self = self.urls[i], ready = false,
    script = self.rig:script(SCRIPT), env = { NODE = tostring(i) },
    args = replicas and { "--replicas", tostring(replicas) } }
end

-- replicas: { [i] = n } for nodes with other replicas.
local function new_world(seed, replicas)
  local w = setmetatable({ rig = rig.new(), nodes = {}, urls = {}, version = {}, floor = {},
    reads = 0, removals = 0, refused = 0, bad = {}, seed = seed }, World)
  math.randomseed(seed)
  w.replicas, w.at = replicas, {}
  for i = 1, NODES do
    w.at[i] = ports.free()
    w.urls[i] = "http://127.0.0.1:" .. w.at[i]
  end
  for k = 1, KEYS do
    w.version[k] = 1
    w.floor[k] = 1
    w:write("key-k" .. k, "1")
  end
  for i = 1, NODES do
    w:set_list(i, { 1, 2, 3, 4 })
    w:start(i)
  end
  for _, n in ipairs(w.nodes) do
    rig.wait(n, function() return (n:request { target = "/readyz" } or {}).status == 200 end, 15)
  end
  return w
end

-- For some seconds, and longer on a busy machine: until there was enough to see.
function World:goes_on()
  local now = socket.gettime()
  return now < self.ends
    or now < self.ends + 60 and (self.reads < LEAST_READS or self.removals < LEAST_REMOVALS)
end

-- A nap of up to s seconds in which the other tasks go on: a request is a pause.
function World:nap(s)
  local until_s = socket.gettime() + math.random() * s
  repeat
    self.nodes[math.random(3)]:request { target = "/healthz" }
  until socket.gettime() >= until_s
end

function World:reader()
  while self:goes_on() do
    local k, n = math.random(KEYS), self.nodes[math.random(3)]
    local least = self.floor[k]
    local res = n:get("g", "k" .. k)
    self.reads = self.reads + 1
    if res and res.status == 200 and tonumber(res.body) < least then
      self.bad[#self.bad + 1] = ("seed %d: key %d at %s is %s from %s, after %d was confirmed")
        :format(self.seed, k, n.url, res.body, res.headers["x-cache"], least)
    end
  end
end

-- The only one who removes these keys.
function World:remover(first, step)
  while self:goes_on() do
    for k = first, KEYS, step do
      local version = self.version[k] + 1
      self.version[k] = version
      self:write("key-k" .. k, tostring(version))
      local res = self.nodes[math.random(3)]:get("g", "k" .. k, { method = "DELETE" })
      if res and res.status == 204 then
        self.removals = self.removals + 1
        self.floor[k] = version
      else
        self.refused = self.refused + 1
      end
    end
  end
end

-- Node 4 joins and leaves, in the eyes of one node after the other. Clients ask the others only.
function World:changer(restarts)
  local inside = true
  while self:goes_on() do
    inside = not inside
    if restarts and inside then
      self:start(4)
      self:nap(0.2)
    end
    local order = { 1, 2, 3 }
    for i = 3, 2, -1 do
      local j = math.random(i)
      order[i], order[j] = order[j], order[i]
    end
    for _, i in ipairs(order) do
      self:set_list(i, inside and { 1, 2, 3, 4 } or { 1, 2, 3 })
      self.nodes[i]:signal "SIGHUP"
      self:nap(0.15)
    end
    self:nap(0.2)
    if restarts and not inside then
      self.nodes[4]:signal "SIGTERM"
      self:nap(0.3)
      assert.equal(0, (self.nodes[4]:stop()), self.nodes[4]:log())
    end
  end
end

local function run(w, changes)
  w.ends = socket.gettime() + SECONDS
  local tasks = { function() w:remover(1, 3) end, function() w:remover(2, 3) end,
    function() w:remover(3, 3) end }
  for i = 1, 6 do
    tasks[3 + i] = function() w:reader() end
  end
  if changes then
    tasks[#tasks + 1] = function() w:changer(changes == "restarts") end
  end
  http.together(tasks)
  print(("seed %d: %d reads, %d removals, %d not confirmed, %d broken"):format(w.seed, w.reads,
    w.removals, w.refused, #w.bad))
  rig.stop_all(w.nodes)
  return w
end

local SEED = tonumber(os.getenv "SEED")

describe("a confirmed removal", function()
  local cases = {
    { "lists change at each node at another moment", {}, true },
    { "a node is stopped and started, again and again", {}, "restarts" },
    { "a node has other replicas", { [2] = 7 }, false },
    { "all nodes have other replicas, and lists change", { [1] = 10, [2] = 20, [3] = 30 }, true },
  }
  for i, case in ipairs(cases) do
    it("holds while " .. case[1], function()
      local w = run(new_world(SEED or os.time() + i, case[2]), case[3])
      assert.same({}, w.bad)
      assert(w.removals >= LEAST_REMOVALS and w.reads >= LEAST_READS, w.reads)
    end)
  end
end)
