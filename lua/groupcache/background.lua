-- SPDX-License-Identifier: MIT
-- groupcache.background: defines the background functions of a node script. The engine calls them
-- in the node's control worker.

local core = require "groupcache.core"
local options = require "groupcache.options"

local background = {}

local INTERVAL = { seconds = { kind = "duration", above_zero = true } }
local EVERY = { name = { kind = "text" } }
local BACKGROUND = {
  name = { kind = "text" },
  ready = { kind = "boolean", default = false },
  ready_timeout = { kind = "duration", default = 60, above_zero = true },
}

local MAX_NAME = 255

-- The place, as "node.lua:12", of the code that called a function of this module.
local function caller()
  local info = debug.getinfo(4, "Sl")
  return ("%s:%d"):format(info.short_src, info.currentline)
end

-- Raises at the line of the function's caller.
local function check(ok, message)
  if not ok then
    error(message, 4)
  end
  return ok
end

local function define(what, fn, schema, given, every_ms)
  check(core.in_node(), what .. " is for node scripts")
  check(type(fn) == "function", ("%s: a %s, and must be a function"):format(what, type(fn)))
  check(given == nil or type(given) == "table",
    ("%s: the options are a %s, and must be a table"):format(what, type(given)))
  local o = check(options.check(schema, given or {}, what))
  check(not o.name or #o.name <= MAX_NAME,
    ("%s: the name has more than %d bytes"):format(what, MAX_NAME))
  check(core.background(what, caller(), o.name, every_ms, o.ready and o.ready_timeout or nil, fn))
end

--- Calls fn() when the node has started, and again `seconds` after each call has ended. May be
-- called only while the script is read.
-- @param given optional { name = text }
function background.every(seconds, fn, given)
  local checked, err = options.check(INTERVAL, { seconds = seconds }, "groupcache.every")
  if not checked or not checked.seconds then
    error(err or "groupcache.every: seconds are missing", 2)
  end
  define("groupcache.every", fn, EVERY, given, checked.seconds)
end

--- Calls fn() when the node has started. If it fails, calls it again after a pause. May be called
-- only while the script is read.
-- @param given optional { name = text, ready = boolean, ready_timeout = seconds }
function background.background(fn, given)
  define("groupcache.background", fn, BACKGROUND, given)
end

return background
