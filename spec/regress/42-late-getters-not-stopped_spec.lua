-- SPDX-License-Identifier: MIT

-- Getters past their deadline were stopped only while the watch thread was free, and one at a time.
-- While a node drained, or a script took long to load, they were not stopped. Where many getters
-- shared a deadline, or VMs ended, VMs in order were taken for stuck.

local cjson = require "cjson"
local eventually = require "support.eventually"
local http = require "support.http"
local node = require "support.node"
local rig = require "node.rig"
local socket = require "socket"
local tmp = require "support.tmp"

describe("a getter that computes past its deadline is stopped", function()
  local r, n

  local function start(body, args, top)
    r = rig.new()
    n = node.start { args = args, script = r:script([[
      local groupcache = require "groupcache"
      ]] .. (top or "") .. [[

      local function forever() while true do pcall(function() while true do end end) end end
      groupcache.group("g", { timeout = 0.5, getter = function(key)
        rig.record(key)
        ]] .. body .. [[

      end })
      groupcache.group("quick", { timeout = 30, getter = function() return "quick" end })
    ]]) }
  end

  after_each(function()
    if n and n.process:alive() then
      n:kill9()
    end
  end)

  local function ask_in_vain(key)
    assert.equal("TIMEOUT", cjson.decode(assert(n:get("g", key, { timeout = 20 })).body).code)
  end

  local function runs(key)
    rig.wait(n, function() return r:calls()[key] end, 10, "the getter runs")
  end

  -- Seconds until the quick group's getter has had its turn.
  local function quick(key)
    local began = socket.gettime()
    assert.equal("quick", assert(n:get("quick", key, { timeout = 30 })).body)
    return socket.gettime() - began
  end

  it("while the node drains", function()
    start("forever()", { "--workers", "1", "--drain-delay", "20", "--drain-timeout", "20" })
    local took
    http.together {
      function() ask_in_vain "k" end,
      function()
        runs "k"
        n:signal "SIGTERM"
        took = quick "while it drains"
      end,
    }
    assert(took < 10, took)
  end)

  it("while a new script is loaded, and its VM stays", function()
    start("forever()", { "--workers", "1" }, [[
      local f = assert(io.open(rig.dir .. "/loads", "a+"))
      f:write "x"
      f:seek "set"
      -- Of the control VM and the worker, at the start and again: the last is that of a worker.
      if #f:read "*a" == 4 then
        while not io.open(rig.dir .. "/open-loaded") do end
      end
      f:close()
    ]])
    local took
    http.together {
      function() ask_in_vain "k" end,
      function()
        runs "k"
        n:signal "SIGHUP"
        rig.wait(n, function()
          return tmp.read(r.dir .. "/loads") == "xxxx"
        end, 10, "the worker's VM loads it")
        took = quick "while it loads"
        r:open "loaded"
      end,
    }
    assert(took < 10, took)
    assert.equal(0, n:stats().workers.replaced)
    eventually(function() return n:logged 'msg="reloaded"' end, 10, "it is reloaded")
    rig.stop(n)
  end)

  it("when it is one of many with the same deadline, and their VM stays", function()
    start("groupcache.sleep(0.1) forever()", { "--workers", "1" })
    local fns = {}
    for i = 1, 60 do
      fns[i] = function() ask_in_vain("k" .. i) end
    end
    http.together(fns)
    quick "after"
    local w = n:stats().workers
    assert.same({ 0, 0 }, { w.stuck, w.replaced })
    rig.stop(n)
  end)

  it("in every VM as the node ends, also beside one that is stuck in C", function()
    start([[
      if key == "stuck" then
        os.execute("until [ -e " .. rig.dir .. "/open-door ]; do sleep 0.02; done")
      end
      forever()
    ]], { "--workers", "4", "--drain-timeout", "0.1" })
    local fns = {}
    for i, key in ipairs { "stuck", "a", "b", "c" } do
      fns[i] = function() n:get("g", key, { timeout = 20 }) end
    end
    fns[#fns + 1] = function()
      for _, key in ipairs { "stuck", "a", "b", "c" } do
        runs(key)
      end
      n:signal "SIGTERM"
    end
    http.together(fns)
    local status = n:stop(20)
    r:open "door"
    assert.equal(0, status, n:log())
    assert.equal(1, select(2, n:log():gsub("left behind", "")))
  end)
end)

describe("a getter that computes for long", function()
  it("keeps no answer waiting that was there before", function()
    local r = rig.new()
    local args = { "--workers", "1", "--http-threads", "1", "--loop", "plain" } -- which keeps order
    local n = node.start { args = args, script = r:script [[
      local groupcache = require "groupcache"
      groupcache.group("quick", { getter = function() return "quick" end })
      groupcache.group("long", { timeout = 60, cpu_timeout = 0, getter = function(key)
        rig.record(key)
        while not io.open(rig.dir .. "/open-" .. key) do end
        return "long"
      end })
    ]] }
    -- The VM is busy until both are there, so it takes both in one turn.
    local function flights(group)
      return n:stats().groups[group].flights
    end
    http.together {
      function() assert.equal("long", assert(n:get("long", "first", { timeout = 30 })).body) end,
      function()
        rig.wait(n, function() return r:calls().first end)
        assert.equal("quick", assert(n:get("quick", "k", { timeout = 30 })).body)
        r:open "second"
      end,
      function()
        rig.wait(n, function() return flights "quick" == 1 end)
        assert.equal("long", assert(n:get("long", "second", { timeout = 30 })).body)
      end,
      function()
        rig.wait(n, function() return flights "long" == 2 end)
        r:open "first"
      end,
    }
    rig.stop(n)
  end)
end)
