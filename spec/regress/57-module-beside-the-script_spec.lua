-- SPDX-License-Identifier: MIT

-- A module beside the script was found only when the node was started there. The message about a
-- missing module was cut before the place that mattered.

local eventually = require "support.eventually"
local lfs = require "lfs"
local node = require "support.node"
local process = require "support.process"
local program = require "api.program"
local tmp = require "support.tmp"

local SCRIPT = [[
local beside, inner = require "beside", require "folder"
require("groupcache").group("g", { getter = function(key)
  return ("%s %s %s"):format(beside.word, inner.word, require("late").word)
end })
]]

local function write_all(dir, word)
  tmp.write(dir .. "/beside.lua", ("return { word = %q }"):format(word))
  tmp.write(dir .. "/folder/init.lua", ("return { word = %q }"):format(word))
  tmp.write(dir .. "/late.lua", ("return { word = %q }"):format(word))
  tmp.write(dir .. "/node.lua", SCRIPT)
end

local function absolute(path)
  return path:find "^/" and path or lfs.currentdir() .. "/" .. path
end

describe("a module beside the script", function()
  it("is found in all VMs when the node is started elsewhere, and after a reload", function()
    local dir = tmp.dir()
    write_all(dir, "one")
    local n = node.start { script = dir .. "/node.lua", cwd = "/", program = absolute(node.binary),
      args = { "--workers", "3" } }
    for i = 1, 9 do
      assert.equal("one one one", assert(n:get("g", "a" .. i)).body)
    end
    write_all(dir, "two")
    n:signal "SIGHUP"
    eventually(function() return n:logged 'msg="reloaded"' end, 10, "it is read again")
    assert.equal("two two two", assert(n:get("g", "b")).body)
    n:stop()
  end)

  it("is found by a path from where the node is started", function()
    local dir = tmp.dir()
    write_all(dir .. "/sub", "here")
    for cwd, path in pairs { [dir] = "sub/node.lua", [dir .. "/sub"] = "node.lua" } do
      local out = process.run { absolute(node.binary), "check", path, cwd = cwd, timeout = 20 }
      assert.same({ 0, "" }, { out.code, out.stderr })
    end
  end)

  it("may be one in C", function()
    local dir = tmp.dir()
    local from = assert(package.searchpath("lfs", package.cpath))
    process.run { "cp", from, dir .. "/own-lfs.so" }
    tmp.write(dir .. "/node.lua", 'assert(require("own-lfs").currentdir)\n'
      .. 'require("groupcache").group("g", { getter = print })')
    local out = process.run { absolute(node.binary), "check", dir .. "/node.lua", cwd = "/",
      timeout = 20 }
    assert.same({ 0, "" }, { out.code, out.stderr })
  end)

  it("does not stand before the modules of the node itself", function()
    local dir = tmp.dir()
    tmp.write(dir .. "/groupcache/init.lua", "error 'another'")
    tmp.write(dir .. "/groupcache.lua", "error 'another'")
    tmp.write(dir .. "/node.lua", 'require("groupcache").group("g", { getter = print })')
    local out = process.run { absolute(node.binary), "check", dir .. "/node.lua", timeout = 20 }
    assert.same({ 0, "" }, { out.code, out.stderr })
  end)

  it("stands before one of that name where the node was started", function()
    local dir, cwd = tmp.dir(), tmp.dir()
    write_all(dir, "right")
    write_all(cwd, "wrong")
    local n = node.start { script = dir .. "/node.lua", cwd = cwd, program = absolute(node.binary) }
    assert.equal("right right right", assert(n:get("g", "a")).body)
    n:stop()
  end)
end)

describe("a module that is missing", function()
  local path = tmp.file('\nrequire "no_such_module.part"\n', "node.lua")
  local folder = path:match "^(.*)/"

  local function check_text(text)
    assert.matches("node%.lua:2: module 'no_such_module%.part' not found:", text)
    assert.matches(("\n\tno file '%s/no_such_module/part.lua'"):format(folder), text, 1, true)
    assert.matches(("\n\tno file '%s/no_such_module/part.so'"):format(folder), text, 1, true)
    assert.matches("\nmodules for LuaJIT are those of Lua 5.1: luarocks --lua-version=5.1 install "
      .. "no_such_module", text, 1, true)
  end

  it("is reported with all places that were looked at, and with advice", function()
    local out = process.run { node.binary, path, timeout = 20 }
    assert.equal(1, out.code)
    check_text(out.stderr)
  end)

  it("is reported so to a program, too", function()
    local out = process.run { "luajit", "-e", ([[
      local n, err = require("groupcache").start { script = %q, listen = "127.0.0.1:0" }
      assert(n == nil)
      io.write(err)
    ]]):format(path), timeout = 60, env = program.env() }
    assert.equal("", out.stderr)
    check_text(out.stdout)
  end)

  it("is reported so at a reload, in one line of the log", function()
    local n = node.start { script = 'require("groupcache").group("g", { getter = print })\n' }
    tmp.write(n.script, 'require "no_such_module"')
    n:signal "SIGHUP"
    local line = eventually(function() return n:logged 'msg="not reloaded[^\n]*' end, 10, "a line")
    n:stop()
    assert.matches("luarocks --lua-version=5.1 install no_such_module", line, 1, true)
  end)
end)
