-- SPDX-License-Identifier: MIT

-- make soak: five nodes for half of SOAK_SECONDS, of which one leaves or joins all the time. Each
-- node learns of it at a time of its own, from a file. Clients ask the nodes that are listed. Every
-- byte must be right, every get must have a value, and no key may be loaded more than twice in any
-- join or leave. One node stays: its memory must not grow.

local http = require "support.http"
local node = require "support.node"
local ports = require "support.ports"
local rig = require "node.rig"
local socket = require "socket"
local tmp = require "support.tmp"

local SEED = tonumber(os.getenv "SEED") or 1
local SECONDS = (tonumber(os.getenv "SOAK_SECONDS") or 0) / 2
local NODES, KEYS, READERS, LEAST = 5, 300, 4, 3

local SCRIPT = [[
local groupcache = require "groupcache"
groupcache.group("g", { hot = "never", getter = function(key)
  rig.record(key)
  groupcache.sleep(0.01)
  return key .. (" value"):rep(#key * 7)
end })
]]

local churn = {}
churn.__index = churn

local function new()
  local c = setmetatable({ rig = rig.new(), nodes = {}, at = {}, urls = {}, listed = {},
    trouble = {}, windows = {}, gets = 0, refused = 0, failed = 0 }, churn)
  c.script = tmp.file(c.rig:script(SCRIPT), "churn.lua")
  for i = 1, NODES do
    c.at[i] = ports.free()
    c.urls[i] = "http://127.0.0.1:" .. c.at[i]
    c.listed[i] = true
  end
  for i = 1, NODES do
    c:set_list(i)
    c:start(i, true)
  end
  return c
end

-- A rename, so nobody reads half of the file.
function churn:set_list(i)
  local urls = {}
  for k = 1, NODES do
    urls[#urls + 1] = self.listed[k] and self.urls[k] or nil
  end
  local path = self.rig.dir .. "/peers-" .. i
  tmp.write(path .. ".new", table.concat(urls, "\n") .. "\n")
  assert(os.rename(path .. ".new", path))
end

function churn:start(i, ready)
  self.nodes[i] = node.start { script = self.script, port = self.at[i], self = self.urls[i],
    ready = ready, args = { "--peers", "file:" .. self.rig.dir .. "/peers-" .. i,
      "--workers", "1", "--http-threads", "1" } }
end

-- Each node's list at a time of its own.
function churn:tell_all()
  for i = 1, NODES do
    if self.nodes[i] then
      self:set_list(i)
      http.pause(math.random() * 0.1)
    end
  end
end

function churn:broken(fmt, ...)
  self.trouble[#self.trouble + 1] = fmt:format(...)
end

function churn:ready(i)
  local until_s = socket.gettime() + 20
  repeat
    http.pause(0.05)
    local res = http.request { port = self.at[i], target = "/readyz", timeout = 1 }
    if res and res.status == 200 then
      return true
    end
  until socket.gettime() > until_s
  self:broken("node %d does not become ready", i)
end

function churn:join(i)
  self.listed[i] = true
  self:start(i, false)
  self:set_list(i)
  self:ready(i)
  self:tell_all()
end

-- A second later nobody asks it any more.
function churn:leave(i)
  self.listed[i] = false
  self:tell_all()
  http.pause(1)
  self.nodes[i].process:kill "SIGTERM"
  local until_s = socket.gettime() + 20
  while self.nodes[i].process:alive() and socket.gettime() < until_s do
    http.pause(0.05)
  end
  local status = self.nodes[i].process:wait(1)
  if status ~= 0 then
    self:broken("node %d did not end well: %s", i, tostring(status))
  end
  self.nodes[i] = nil
end

-- How often the most loaded key was loaded since the last call, and all keys together.
function churn:loads()
  local now, most, all = self.rig:calls(), 0, 0
  for key, n in pairs(now) do
    local more = n - (self.before and self.before[key] or 0)
    most, all = math.max(most, more), all + more
  end
  self.before = now
  return most, all
end

function churn:turn()
  local out = {}
  for i = 2, NODES do
    out[#out + 1] = not self.listed[i] and i or nil
  end
  local joins = #out > 0 and (#out == NODES - LEAST or math.random(2) == 1)
  local i
  if joins then
    i = out[math.random(#out)]
  else
    repeat i = math.random(2, NODES) until self.listed[i]
  end
  self[joins and "join" or "leave"](self, i)
  http.pause(3)
  local most, all = self:loads()
  self.windows[#self.windows + 1] = { joins = joins, most = most, all = all }
  if most > 2 then
    self:broken("as node %d %s, a key was loaded %d times", i, joins and "joined" or "left", most)
  end
end

function churn:read_once()
  local i
  repeat i = math.random(NODES) until self.listed[i] and self.nodes[i]
  local key = "key-" .. math.random(KEYS)
  local res = http.request { port = self.at[i], target = "/cache/g/" .. key, timeout = 8 }
  self.gets = self.gets + 1
  if not res then
    self.refused = self.refused + 1 -- it has just begun, or just left
  elseif res.status ~= 200 then
    self.failed = self.failed + 1
    self:broken("node %d answered %d for %s: %s", i, res.status, key, res.body:sub(1, 100))
  elseif res.body ~= key .. (" value"):rep(#key * 7) then
    self:broken("node %d gave %d bytes for %s: %q", i, #res.body, key, res.body:sub(1, 60))
  end
end

function churn:run(seconds)
  local until_s = socket.gettime() + seconds
  local function loop(fn)
    return function()
      while socket.gettime() < until_s do
        fn(self)
        http.pause(0.002)
      end
    end
  end
  local fns = { loop(churn.turn) }
  for _ = 1, READERS do
    fns[#fns + 1] = loop(churn.read_once)
  end
  http.together(fns)
end

local function rss_kb(n)
  return tonumber(tmp.read(("/proc/%d/status"):format(n.process.pid)):match "VmRSS:%s*(%d+)")
end

describe("a soak of joins and leaves", function()
  local run = SECONDS > 0 and it or function() end

  run("gives right values, and loads no key more than twice in any of them", function()
    math.randomseed(SEED)
    local c = new()
    for i = 1, KEYS do
      c.nodes[1]:get("g", "key-" .. i)
    end
    c:loads()
    c:run(SECONDS / 3)
    local warm_kb = rss_kb(c.nodes[1])
    c:run(SECONDS * 2 / 3)
    local most, moved, joins = 0, 0, 0
    for _, w in ipairs(c.windows) do
      most, moved, joins = math.max(most, w.most), moved + w.all, joins + (w.joins and 1 or 0)
    end
    io.stderr:write(("soak: %d joins and %d leaves of five nodes: %d gets, %d refused, %d failed; "
      .. "%d loads, %d of one key at most in one of them; node 1: %d kB, then %d kB\n")
      :format(joins, #c.windows - joins, c.gets, c.refused, c.failed, moved, most, warm_kb,
        rss_kb(c.nodes[1])))
    local grown = rss_kb(c.nodes[1]) - warm_kb
    local left = {}
    for _, n in pairs(c.nodes) do
      left[#left + 1] = n
    end
    rig.stop_all(left)
    assert.same({}, c.trouble)
    assert.is_true(grown < 3000 + SECONDS, "memory grows")
  end)
end)
