-- SPDX-License-Identifier: MIT
-- In place of groupcache.wait for `groupcached run-getter` (groupcache/cli/try.lua): the same, but
-- each wait is noted in the file that GROUPCACHED_TRACE names: when it began, and how long it was.

local core = require "groupcache.core"
local wait = require "groupcache.real" "groupcache.wait"

local await, getter, path = wait.await, core.getter, os.getenv "GROUPCACHED_TRACE"
local first

-- When a wait begins.
local function begin()
  local now = core.now()
  first = first or now
  return now
end

local function note(from, what)
  local file = io.open(path, "a")
  if file then
    file:write(("%.3f %.3f %s\n"):format((from - first) * 1000, (core.now() - from) * 1000, what))
    file:close()
  end
end

function wait.await(op, what)
  local from = begin()
  local result = await(op, what)
  note(from, what)
  return result
end

-- The get of a group without a codec is a C function, which waits by itself. It is checked here
-- first, so that misuse still raises at the line of its caller.
function core.getter(group, check_key, get_timeout)
  local get = getter(group, check_key, get_timeout)
  return function(self, key, given)
    check_key(key, "group:get")
    if given ~= nil then
      get_timeout(given, "group:get")
    end
    wait.check "group:get"
    local from = begin()
    local value, message, source = get(self, key, given)
    if source ~= "main" and source ~= "hot" then
      note(from, "group:get")
    end
    return value, message, source
  end
end

return wait
