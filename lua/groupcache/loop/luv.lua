-- SPDX-License-Identifier: MIT
-- groupcache.loop.luv: libuv's loop in a worker VM. A getter starts something and yields, and the
-- callback resumes it.

local core = require "groupcache.core"
local wait = require "groupcache.wait"

local found, uv = pcall(require, "luv")
if not found then
  error(('loop is "luv", and its module cannot be loaded: install lua-luv (Debian) or the rock luv '
    .. "(%s)"):format(uv:match "[^\n]*"), 0)
end

-- luv ends the process when a callback throws, unless it has another function to call callbacks.
local ffi = require "ffi"
pcall(ffi.cdef, "void luv_set_callback(void *, int (*)(void *, int, int, int));")
local path = package.searchpath("luv", package.cpath)
local library = path and ffi.load(path) or ffi.C
local fine, set_callback = pcall(function() return library.luv_set_callback end)
if not fine then
  error('loop is "luv", and this luv is too old: it has no luv_set_callback', 0)
end
local callback, state = core.loop_callback()
set_callback(state, ffi.cast("int (*)(void *, int, int, int)", callback))

local run, stop_loop = uv.run, uv.loop_close

local function refuse(what)
  return function()
    error(what .. " is not for node scripts: the worker runs the loop", 2)
  end
end

uv.run, uv.loop_close = refuse "uv.run", refuse "uv.loop_close"

local luv = {}

-- Of a strand that was set aside before it could yield to the loop: what it was resumed with.
local early = setmetatable({}, { __mode = "k" })

local function run_strand(strand, ...)
  local is_parked = core.run(strand, ...)
  local given = early[strand]
  if is_parked and given then
    early[strand] = nil
    return run_strand(strand, unpack(given, 1, given.n))
  end
end

wait.use(function() end, function(strand, how, ...)
  if how == "parked" then
    run_strand(strand, ...)
  elseif early[strand] then
    return false, "cannot resume a getter that is set aside twice"
  else
    early[strand] = { n = select("#", ...), ... }
  end
  return true
end)

function luv.go(strand, co)
  wait.know(strand, co)
  uv.update_time() -- other code may have computed since, and timers count from the loop's time
  return run_strand(strand) -- so that no frame of ours holds the coroutine if it runs out of memory
end

function luv.step()
  run "nowait"
end

-- The timeout of a loop with no handles, or only unref'd ones, is 0: the VM then looks once a
-- second.
function luv.poll()
  uv.update_time()
  local ms = uv.loop_alive() and uv.backend_timeout() or -1
  return uv.backend_fd(), ms >= 0 and ms / 1000 or nil
end

-- Closing takes some rounds, and waits for what runs in libuv's threads. The function that walks
-- is a callback of the loop, too: only behind it are there no others.
function luv.close()
  uv.walk(function(handle)
    if not handle:is_closing() then
      handle:close()
    end
  end)
  core.loop_let_go()
  run "default"
  stop_loop()
end

return luv
