-- SPDX-License-Identifier: MIT

-- With loop = "luv" the loop closes all handles by a callback, and that was refused, as the
-- script's callbacks are then. So an open timer, listener or connection left its VM and its thread
-- behind at a reload. Each stop took two seconds.

local eventually = require "support.eventually"
local lfs = require "lfs"
local node = require "support.node"
local rig = require "node.rig"
local signal = require "posix.signal"
local socket = require "socket"

local RELOADS = 100

-- Each opens what a script may have open: a timer that repeats, a listener, a connection.
local OPEN = {
  luv = [[
    local uv = require "luv"
    local timer, server, client = uv.new_timer(), uv.new_tcp(), uv.new_tcp()
    timer:start(10, 10, function() end)
    server:bind("127.0.0.1", 0)
    server:listen(8, function()
      local peer = uv.new_tcp()
      server:accept(peer)
      peer:read_start(function() end)
    end)
    client:connect("127.0.0.1", server:getsockname().port, function()
      client:read_start(function() end)
    end)
    local idle = uv.new_prepare()
    idle:start(function() end)
    uv.new_timer():start(1e9, 0, function() end)
  ]],
  cqueues = [[
    local cqueues, socket = require "cqueues", require "cqueues.socket"
    local queue = cqueues.new()
    local server = socket.listen { host = "127.0.0.1", port = 0 }
    assert(server:listen())
    local _, _, port = server:localname()
    queue:wrap(function() while true do cqueues.sleep(0.01) end end)
    queue:wrap(function() for peer in server:clients() do peer:read "*l" end end)
    queue:wrap(function() socket.connect("127.0.0.1", port):read "*l" end)
    queue:step(0)
    kept = { queue, server }
  ]],
  plain = "",
}

local function count(path)
  local n = 0
  for _ in lfs.dir(path) do
    n = n + 1
  end
  return n
end

for loop, open in pairs(OPEN) do
  describe("what is open at a reload, loop = " .. loop, function()
    local n

    after_each(function()
      rig.stop(n)
      n = nil
    end)

    local function has()
      local proc = "/proc/" .. n.process.pid
      return { threads = count(proc .. "/task"), files = count(proc .. "/fd") }
    end

    local function reloaded(times)
      return select(2, n:log():gsub('msg="reloaded"', "")) >= times
    end

    local function is_quiet()
      local workers = n:stats().workers
      return workers.retiring == 0 and workers.stuck == 0
    end

    it("is closed, and nothing is left after " .. RELOADS, function()
      n = node.start { args = { "--workers", "1", "--loop", loop },
        env = { GROUPCACHE_LOOP = false },
        script = open .. [[
          require("groupcache").group("g", { getter = function(key) return "v" .. key end })
        ]] }
      assert(n:get("g", "before"))
      local before = has()
      for i = 1, RELOADS do
        n:signal(signal.SIGHUP)
        eventually(function() return reloaded(i) end, 10, "a reload")
        if i % 10 == 1 then
          assert.equal("v" .. i, assert(n:get("g", tostring(i))).body)
        end
      end
      eventually(is_quiet, 5, "all old VMs end")
      eventually(function() return has().threads <= before.threads end, 5, "no thread is left")
      eventually(function() return has().files <= before.files + 2 end, 5, "no file is left")
      local began = socket.gettime()
      assert.equal(0, n:stop())
      local took = socket.gettime() - began
      assert.is_true(took < 10, took)
      assert.is_nil(n:log():find("stuck", 1, true))
      n = nil
    end)
  end)
end
