-- SPDX-License-Identifier: MIT
-- In place of groupcache.wait for `groupcached run-getter` (groupcache/cli/try.lua): the same, but
-- each wait is noted in the file that GROUPCACHED_TRACE names: when it began, and how long it was.

local core = require "groupcache.core"
local wait = require "groupcache.real" "groupcache.wait"

local await, path = wait.await, os.getenv "GROUPCACHED_TRACE"
local first

function wait.await(op, what)
  local from = core.now()
  first = first or from
  local result = await(op, what)
  local file = io.open(path, "a")
  if file then
    file:write(("%.3f %.3f %s\n"):format((from - first) * 1000, (core.now() - from) * 1000, what))
    file:close()
  end
  return result
end

return wait
