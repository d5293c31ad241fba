-- SPDX-License-Identifier: MIT

-- A script can fail only in the VM of a worker, not in that of the control worker. Its message was
-- cut at 239 bytes, before the place that mattered.

local eventually = require "support.eventually"
local node = require "support.node"
local process = require "support.process"
local program = require "api.program"
local tmp = require "support.tmp"

-- Runs in one VM, and fails with a long message in the next.
local FAILS_NEXT = [[
require("groupcache").group("g", { getter = function() return "v" end })
local path = %q
if io.open(path) then
  error(("long "):rep(400) .. "and its end")
end
io.open(path, "w"):close()
]]

describe("a script that fails only in a worker", function()
  local script

  before_each(function()
    script = tmp.file(FAILS_NEXT:format(tmp.dir() .. "/ran"), "node.lua")
  end)

  local function check_text(text)
    assert.matches("node.lua:4: " .. ("long "):rep(400) .. "and its end", text, 1, true)
  end

  for _, command in ipairs { "check", "start" } do
    it("is reported with its whole message by " .. command, function()
      local args = { node.binary, command == "check" and command or script,
        command == "check" and script or nil, timeout = 20 }
      if command == "start" then
        args[3], args[4] = "--listen", "127.0.0.1:0"
      end
      local out = process.run(args)
      assert.equal(1, out.code)
      check_text(out.stderr .. out.stdout)
    end)
  end

  it("is reported so to a program, too", function()
    local out = process.run { "luajit", "-e", ([[
      local n, err, code = require("groupcache").start { script = %q, listen = "127.0.0.1:0" }
      assert(n == nil and code == "INVAL")
      io.write(err)
    ]]):format(script), timeout = 60, env = program.env() }
    assert.equal("", out.stderr)
    check_text(out.stdout)
  end)

  it("is reported so at a reload", function()
    local n = node.start { script = 'require("groupcache").group("g", { getter = print })\n' }
    tmp.write(n.script, tmp.read(script))
    n:signal "SIGHUP"
    local line = eventually(function() return n:logged 'msg="not reloaded[^\n]*' end, 10, "a line")
    n:stop()
    assert.matches("and its end", line, 1, true)
  end)
end)
