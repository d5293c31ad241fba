-- SPDX-License-Identifier: MIT

-- One of three nodes gets into trouble while clients in closed loops ask the others. No request
-- fails, and soon none is slow. `make outage` prints the figures of a busier cluster.

local eventually = require "support.eventually"
local http = require "support.http"
local outage = require "node.outage"
local process = require "support.process"
local rig = require "node.rig"
local socket = require "socket"

local CLIENTS, KEYS = 12, 400
local SOON_S = 1     -- from then on it costs next to nothing
local SLOWEST_S = 0.5 -- of 99 in 100, on a machine with other work

local SCRIPT = [[
local groupcache = require "groupcache"
groupcache.group("g", { hot = "never", timeout = 5, getter = function(key)
  rig.record(key)
  return key
end })
groupcache.group("slow", { hot = "never", timeout = 10, getter = function(key)
  rig.record(key)
  groupcache.sleep(1.5)
  return key
end })
return { workers = 1, http_threads = 1 }
]]

local function start(r, kind)
  return outage.start { kind = kind, script = r:script(SCRIPT),
    args = { "--connect-timeout", "0.2" } }
end

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
        if not res or res.status ~= 200 or res.body ~= key then
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

local function p99(took)
  return took[math.ceil(#took * 0.99)] or math.huge
end

-- The most calls of a getter for a key, and forgets them.
local function most_calls(r, before)
  local most = 0
  for key, n in pairs(r:calls()) do
    most = math.max(most, n - (before[key] or 0))
  end
  return most
end

local function check(kind)
  local r = rig.new()
  local c = start(r, kind)
  local failed = ask(c, 1)
  assert.same({}, failed)
  local calls = r:calls()
  failed = ask(c, SOON_S, function() c:begin() end)
  assert.same({}, failed)
  local took
  failed, took = ask(c, 1.5)
  assert.same({}, failed)
  assert(p99(took) < SLOWEST_S, ("99 in 100 took up to %.3f s"):format(p99(took)))
  assert(most_calls(r, calls) <= 2, most_calls(r, calls))
  if kind ~= "flap" then
    assert.is_true(c:seen_by(1).state ~= "fine")
    assert.matches("peer is out of use, its keys go to their next owners", c.nodes[1]:log(), 1, true)
  end
  assert(c:seen_by(1).ejections <= 3, c:seen_by(1).ejections)
  c:finish()
  assert.same({}, (ask(c, 0.5)))
  eventually(function() return c:seen_by(1).state == "fine" end, 20, "in use again")
  c:stop()
end

if os.getenv "OUTAGE_INSIDE" then
  describe("a node in trouble", function()
    it("is cut off", function()
      check "cut"
    end)
  end)
  return
end

describe("a node in trouble fails no request of the others'", function()
  for _, kind in ipairs(outage.KINDS) do
    if kind ~= "cut" then
      it("by " .. kind, function()
        check(kind)
      end)
    end
  end

  -- The whole file runs once more, in a network namespace of its own, where this alone is tried.
  it("by cut", function()
    local ok, why = outage.has_namespaces()
    if os.getenv "SAN" then
      ok, why = nil, "not under a sanitizer"
    end
    if not ok then
      pending("a black hole was not tried: " .. why)
      return
    end
    local run = process.run(outage.in_namespace { "luajit", arg[0], "--ignore-lua",
      "spec/node/outage_spec.lua", env = { OUTAGE_INSIDE = "1" }, timeout = 120 })
    assert(run.code == 0, run.stdout .. run.stderr)
    assert.matches("1 passed", run.stdout, 1, true)
  end)
end)

describe("a slow getter of a node that lives", function()
  local r, c, slow

  setup(function()
    r = rig.new()
    c = start(r, "stop")
    slow = 0
    for i = 1, 100 do -- the node learns how soon its peers answer
      local key = rig.owned_by(c.urls, c.urls[3], "quick" .. i)
      assert.equal(200, assert(c.nodes[1]:get("g", key)).status)
    end
  end)

  teardown(function()
    c:stop()
  end)

  -- Gets of new keys of the third node, all at once.
  local function get(n)
    local keys, tasks = {}, {}
    for i = 1, n do
      slow = slow + 1
      keys[i] = rig.owned_by(c.urls, c.urls[3], "slow" .. slow)
      tasks[i] = function()
        local res = assert(c.nodes[1]:get("slow", keys[i]))
        assert.same({ 200, keys[i] }, { res.status, res.body })
      end
    end
    local before = c:seen_by(1)
    local began = socket.gettime()
    http.together(tasks)
    assert(socket.gettime() - began >= 1.4)
    local calls = r:calls()
    for _, key in ipairs(keys) do
      assert.equal(1, calls[key])
    end
    local now = c:seen_by(1)
    assert.same({ before.hedges, before.ejections }, { now.hedges, now.ejections })
  end

  it("runs once for a single get", function()
    get(1)
  end)

  it("runs once for each of many gets at the same time", function()
    get(200)
  end)
end)
