-- SPDX-License-Identifier: MIT

-- This API is the same under every event loop: these specs, which have run under the plain loop,
-- run again under the others. `make loops` does so with the long ones too.

local node = require "support.node"
local process = require "support.process"
local program = require "api.program"
local socket = require "socket"
local tmp = require "support.tmp"

local LOOPS = { cqueues = "cqueues", luv = "luv" } -- and their modules
local SPECS = { "getter", "waits", "http" }

for loop, module in pairs(LOOPS) do
  describe("under " .. loop, function()
    if not pcall(require, module) then
      it("all is as under the plain loop", function() pending("no " .. module) end)
      return
    end

    local before

    setup(function()
      before, node.loop = node.loop, loop
    end)

    teardown(function()
      node.loop = before
    end)

    it("(which it is)", function()
      local n = node.start { script = [[
        require("groupcache").group("g", { getter = function()
          local controller = package.loaded.cqueues and package.loaded.cqueues.running()
          return controller and "cqueues" or package.loaded.luv and "luv" or "plain"
        end })
      ]] }
      assert.equal(loop, assert(n:get("g", "k")).body)
      assert.equal(0, (n:stop()))
    end)

    it("sleeps when there is nothing to do", function()
      local n = node.start { args = { "--workers", "2" }, script = [[
        local groupcache = require "groupcache"
        groupcache.group("g", { getter = function(key)
          local uv, cqueues = package.loaded.luv, package.loaded.cqueues
          if key == "wait" and uv then
            local me, timer = coroutine.running(), uv.new_timer()
            timer:start(700, 0, function() timer:close() coroutine.resume(me) end)
            coroutine.yield()
          elseif key == "wait" then
            cqueues.sleep(0.7)
          end
          return key
        end })
      ]] }
      local function used()
        local fields = {}
        for field in tmp.read(("/proc/%d/stat"):format(n.process.pid)):match "%) (.*)$"
          :gmatch "%S+" do
          fields[#fields + 1] = field
        end
        return tonumber(fields[12]) + tonumber(fields[13]) -- ticks of 10 ms
      end
      for _, key in ipairs { "idle", "wait" } do
        local before_it = used()
        assert.equal(key, assert(n:get("g", key)).body)
        socket.sleep(0.5) -- the time that is measured
        assert(used() - before_it < 20, "it is busy")
      end
      assert.equal(0, (n:stop()))
    end)

    it("in the workers of a program's node, too", function()
      local script = tmp.file([[
        local groupcache = require "groupcache"
        local twice = groupcache.group("twice", { getter = function(key)
          groupcache.sleep(0.01)
          return key .. key
        end })
        groupcache.group("g", { getter = function(key)
          local values = groupcache.all { function() return twice:get(key) end,
            function() groupcache.sleep(0.01) return "." end }
          return values[1] .. values[2] .. tostring(package.loaded.cqueues and "cqueues" or "luv")
        end })
      ]], "node.lua")
      local path = tmp.file(([[
        local groupcache = require "groupcache"
        for _ = 1, 3 do
          local node = assert(groupcache.start { script = %q, listen = "127.0.0.1:0", loop = %q })
          print((assert(assert(node:group "g"):get "k")))
          node:close()
        end
      ]]):format(script, loop), "program.lua")
      local out = process.run { "luajit", path, timeout = 60, env = program.env() }
      assert.equal(0, out.code, out.stderr)
      assert.equal(("kk." .. loop .. "\n"):rep(3), out.stdout)
    end)

    for _, name in ipairs(SPECS) do
      setfenv(assert(loadfile("spec/node/" .. name .. "_spec.lua")), getfenv(1))()
    end
  end)
end
