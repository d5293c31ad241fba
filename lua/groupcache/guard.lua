-- SPDX-License-Identifier: MIT
-- groupcache.guard: functions that differ inside a node's VMs, so that deadlines hold. A hook stops
-- a getter that computes too long. The plain functions could disable the hook, overflow the C
-- stack, or end the process. This protects against mistakes, not against intent.

local core = require "groupcache.core"

-- LuaJIT uses C stack for every coroutine that resumes another: some 700 crash a 64 KiB stack.
local MAX_NESTED = 64

local native_resume, native_create, running = coroutine.resume, coroutine.create, coroutine.running

-- The depth of a coroutine below its getter's own. Written at each resume, so nothing must be
-- undone when a getter is stopped.
local depth = setmetatable({}, { __mode = "k" })

local guard = { max_nested = MAX_NESTED, depth = depth }
guard.too_deep = ("coroutines that resume each other are nested more than %d deep")
  :format(MAX_NESTED)

-- The coroutines of spawned functions, and under another event loop of getters, with their resumers
-- (wait.lua).
guard.resumers = setmetatable({}, { __mode = "k" })
local resumers = guard.resumers

function coroutine.resume(co, ...) -- luacheck: ignore 122
  if resumers[co] then
    return resumers[co](co, ...)
  end
  local own = depth[running() or false] or 0
  if own >= MAX_NESTED then
    return false, guard.too_deep
  end
  if type(co) == "thread" then
    depth[co] = own + 1
  end
  return native_resume(co, ...)
end

local function unwrap(ok, ...)
  if not ok then
    error((...), 0)
  end
  return ...
end

function coroutine.wrap(f) -- luacheck: ignore 122
  local co = native_create(f)
  return function(...)
    return unwrap(coroutine.resume(co, ...))
  end
end

-- LuaJIT runs xpcall's handler with hooks off, so a handler that loops could not be stopped. Here
-- the handler runs after the stack was unwound: its traceback starts at the xpcall.
local function handled(handler, ok, ...)
  if ok then
    return true, ...
  end
  local _, result = pcall(handler, (...))
  return false, result
end

function xpcall(f, handler, ...) -- luacheck: ignore 121
  return handled(handler, pcall(f, ...))
end

-- string.gsub takes 9 KB of C stack. Without a bound, recursion through it would overflow the C
-- stack before Lua's own stack, and crash the node.
local MAX_STACK = 0.4

local native_gsub = string.gsub

function string.gsub(s, pattern, with, n) -- luacheck: ignore 122
  if type(with) ~= "string" and core.stack_used() > MAX_STACK then
    error("stack overflow (string.gsub inside string.gsub, too deep)", 2)
  end
  return native_gsub(s, pattern, with, n)
end

-- An error of the hook inside load's reader would leave all hooks off: the reader is called here.
local native_load = load

function load(source, ...) -- luacheck: ignore 121
  if type(source) ~= "function" then
    return native_load(source, ...)
  end
  local parts = {}
  local ok, err = pcall(function()
    local part = source()
    while part ~= nil and part ~= "" do
      if type(part) ~= "string" then
        error("reader function must return a string", 0)
      end
      parts[#parts + 1] = part
      part = source()
    end
  end)
  if not ok then
    return nil, err
  end
  local name = ...
  return native_load(table.concat(parts), name == nil and "=(load)" or name, select(2, ...))
end

-- LuaJIT's own functions do not say how a command ended: these have the results of Lua 5.2.
local native_open, native_close = io.open, getmetatable(io.stdout).__index.close
local children = setmetatable({}, { __mode = "k" }) -- file -> the child that its close waits for

local function ended(how, code)
  return (how == "exit" and code == 0) or nil, how, code
end

function os.execute(command) -- luacheck: ignore 122
  if command == nil then
    return true
  end
  return ended(core.execute(command))
end

function io.popen(command, mode) -- luacheck: ignore 122
  if type(command) ~= "string" then
    error(("bad argument #1 to 'popen' (string expected, got %s)"):format(type(command)), 2)
  end
  if mode ~= nil and mode ~= "r" and mode ~= "w" then
    error("bad argument #2 to 'popen' (invalid mode)", 2)
  end
  local file, err, code = native_open("/dev/null", mode or "r")
  if not file then
    return nil, err, code
  end
  local child
  child, err, code = core.popen(file, command, mode or "r")
  if not child then
    native_close(file)
    return nil, command .. ": " .. err, code
  end
  children[file] = child
  return file
end

local function close(file)
  local child = children[file]
  if not child then
    return native_close(file)
  end
  children[file] = nil
  native_close(file)
  return ended(core.wait_child(child))
end

getmetatable(io.stdout).__index.close = close

function io.close(file) -- luacheck: ignore 122
  return close(file == nil and io.output() or file)
end

-- If a stop or an error ends a require, a mark stays in package.loaded. To LuaJIT the module is
-- then being loaded in this VM for ever. If no coroutine loads it any more, it is loaded anew.
local native_require, loaded = require, package.loaded
local MARK -- its type depends on the version of LuaJIT
local probe = "a module that is being loaded"
package.preload[probe] = function() MARK = loaded[probe] end
require(probe)
loaded[probe], package.preload[probe] = nil, nil

local loader = {} -- module -> the coroutine that began to load it; false: the main thread

local function is_left(name)
  local co, me = loader[name], running() or false
  if co == nil or loaded[name] ~= MARK then
    return false
  elseif not co or co == me then
    return co ~= me
  end
  return coroutine.status(co) ~= "normal"
end

function require(name) -- luacheck: ignore 121
  if is_left(name) then
    loaded[name] = nil
  end
  if not loaded[name] then
    loader[name] = running() or false
  end
  return native_require(name) -- a tail call: its errors have the line of the caller
end

local function refuse(what, instead)
  return function()
    error(what .. " is not for node scripts: " .. instead, 2)
  end
end

os.exit = refuse("os.exit", "it would end the node") -- luacheck: ignore 122
debug.sethook = refuse("debug.sethook", -- luacheck: ignore 122
  "the hook stops getters at their deadline")

-- Does nothing in the control VM. If the settings that the script returns do not allow the call,
-- the script is then refused.
local function needs_jit(what)
  local refusal = what .. " is not for node scripts: set jit = true in the node's settings"
  return function()
    local at = debug.getinfo(2, "Sl") -- nil under a coroutine of its own
    local where = at and ("%s:%d: "):format(at.short_src, at.currentline) or ""
    if not core.wants_jit(where .. refusal) then
      error(refusal, 2)
    end
  end
end

if not jit.status() then
  jit.on = needs_jit "jit.on" -- luacheck: ignore 122
  jit.opt.start = needs_jit "jit.opt.start" -- luacheck: ignore 122
end

return guard
