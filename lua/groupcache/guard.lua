-- SPDX-License-Identifier: MIT
-- What is different inside the VMs that run getters, so that a deadline holds: a getter that
-- computes too long is stopped by a hook, and these functions could keep the hook from working,
-- overflow the C stack, or end the process. Protection against mistakes, not against intent.

-- LuaJIT takes C stack for every coroutine that resumes another: some 700 crash a 64 KiB stack.
local MAX_NESTED = 64

local native_resume, native_create, running = coroutine.resume, coroutine.create, coroutine.running

-- How deep a coroutine stands below its getter's own. Written at each resume, so nothing has to be
-- counted back when a getter is stopped half-way.
local depth = setmetatable({}, { __mode = "k" })

function coroutine.resume(co, ...)
  local own = depth[running() or false] or 0
  if own >= MAX_NESTED then
    return false, ("coroutines that resume each other are nested more than %d deep")
      :format(MAX_NESTED)
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

function coroutine.wrap(f)
  local co = native_create(f)
  return function(...)
    return unwrap(coroutine.resume(co, ...))
  end
end

-- LuaJIT runs xpcall's handler with hooks off, so one that loops could not be stopped. Here the
-- handler runs after the stack has been unwound: a traceback it makes starts at the xpcall.
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

local function refuse(what, instead)
  return function()
    error(what .. " is not for node scripts: " .. instead, 2)
  end
end

os.exit = refuse("os.exit", "it would end the node") -- luacheck: ignore 122
debug.sethook = refuse("debug.sethook", "the hook stops getters at their deadline") -- luacheck: ignore 122

if not jit.status() then
  local setting = "set jit = true in the node's settings"
  jit.on = refuse("jit.on", setting) -- luacheck: ignore 122
  jit.opt.start = refuse("jit.opt.start", setting) -- luacheck: ignore 122
end
