-- SPDX-License-Identifier: MIT

--- LuaJIT programs that use the library, each in a luajit of its own.
--
--   program.run(source, opts) -> stdout, result   it must end well and write no errors; opts: joff,
--                                                 args, may_fail, logs (it may write to stderr)
--   program.says(want, source, opts)              it prints that, compiled or not
--   program.lacks(module) -> nil; or why a program cannot load it, for pending()
--   program.head                                  what they begin with
--   program.env(more) -> env                      the environment in which they run, and more
--
-- A program has groupcache, socket, say(...) and until_true(fn).

local assert = require "luassert"
local lfs = require "lfs"
local process = require "support.process"
local tmp = require "support.tmp"

local program = {}

local build = os.getenv "BUILD" or "build"
build = build:sub(1, 1) == "/" and build or lfs.currentdir() .. "/" .. build

local SANITIZER = ({ address = "libasan.so", thread = "libtsan.so" })[os.getenv "SAN"]
local PRELOAD = SANITIZER and process.run { os.getenv "CC" or "cc",
  "-print-file-name=" .. SANITIZER }.stdout:match "%S+"

function program.env(more)
  local env = {
    LUA_PATH = build .. "/share/lua/5.1/?.lua;" .. build .. "/share/lua/5.1/?/init.lua;;",
    LUA_CPATH = build .. "/lib/lua/5.1/?.so;;",
    LD_PRELOAD = PRELOAD,
  }
  for name, value in pairs(more or {}) do
    env[name] = value
  end
  return env
end

-- What every program begins with, in one line, so that its own lines keep their numbers.
program.head = ([[
local groupcache = require "groupcache"
local socket = require "socket"
local function say(...)
  local out = {}
  for i = 1, select("#", ...) do out[i] = tostring((select(i, ...))) end
  print(table.concat(out, "|"))
end
local function until_true(fn)
  local deadline = socket.gettime() + 20
  while not fn() do
    assert(socket.gettime() < deadline, "not within 20 s")
    socket.sleep(0.002)
  end
end
]]):gsub("\n", " ")

-- Runs a program with luajit -> its standard output; it must end well and write no errors.
function program.run(source, opts)
  opts = opts or {}
  local path = tmp.file(program.head .. source, "prog.lua")
  local argv = { "luajit", opts.joff and "-joff" or "-jon", path, unpack(opts.args or {}) }
  argv.timeout = 120
  argv.env = program.env()
  local r = process.run(argv)
  if not opts.may_fail then
    assert.same({ 0, nil }, { r.code, r.signal }, r.stdout .. r.stderr)
    assert.equal("", opts.logs and "" or r.stderr)
  end
  return r.stdout, r
end

-- Debian's package of a library may lack one that it needs.
function program.lacks(module)
  local r = process.run { "luajit", "-e", ("require %q"):format(module), env = program.env() }
  if r.code ~= 0 then
    return ("%s cannot be loaded: %s"):format(module, r.stderr:match "[^\n]*" or "")
  end
end

-- The program says the same, compiled or not.
function program.says(want, source, opts)
  for _, joff in ipairs { false, true } do
    local o = { joff = joff }
    for name, value in pairs(opts or {}) do
      o[name] = value
    end
    assert.equal(want, (program.run(source, o)), joff and "-joff" or "-jon")
  end
end

return program
