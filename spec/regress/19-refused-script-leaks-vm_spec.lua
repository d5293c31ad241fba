-- SPDX-License-Identifier: MIT

-- The VM of a refused script was freed by the collector, to which it looked like a few bytes. So a
-- node that was told to reload a wrong script grew by a VM and a descriptor each time.

local eventually = require "support.eventually"
local lfs = require "lfs"
local node = require "support.node"
local process = require "support.process"
local program = require "api.program"
local tmp = require "support.tmp"

local function descriptors(pid)
  local n = 0
  for _ in lfs.dir(("/proc/%d/fd"):format(pid)) do
    n = n + 1
  end
  return n
end

local WRONG = {
  "throws", "error 'x'",
  "has an unknown setting", "require('groupcache').group('g', { getter = print }) "
    .. "return { listn = 1 }",
  "has a setting that cannot be copied", "return { peers = print }",
}

describe("a script that is refused", function()
  for i = 1, #WRONG, 2 do
    it(("since it %s leaves nothing in a node that reloads"):format(WRONG[i]), function()
      local n = node.start { script = [[
        require("groupcache").group("g", { getter = function() return "v" end })
      ]] }
      local before = descriptors(n.process.pid)
      tmp.write(n.script, WRONG[i + 1])
      for times = 1, 10 do
        n:signal "SIGHUP"
        eventually(function()
          return select(2, n:log():gsub("not reloaded", "")) == times
        end, 10, "it is refused")
      end
      eventually(function() return descriptors(n.process.pid) <= before end, 5, "as at the start")
      assert.equal(0, (n:stop()))
    end)

    it(("since it %s leaves nothing in a program"):format(WRONG[i]), function()
      local out = process.run { "luajit", "-e", ([[
        local groupcache = require "groupcache"
        local function descriptors()
          local n = 0
          for _ in require("lfs").dir "/proc/self/fd" do n = n + 1 end
          return n
        end
        local before = descriptors()
        for _ = 1, 10 do
          local n, err = groupcache.start { script = %q, listen = "127.0.0.1:0" }
          assert(n == nil and type(err) == "string", err)
        end
        print(descriptors() - before)
      ]]):format(tmp.file(WRONG[i + 1], "node.lua")), timeout = 60, env = program.env() }
      assert.same({ "0\n", "" }, { out.stdout, out.stderr })
    end)
  end
end)
