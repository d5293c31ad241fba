-- SPDX-License-Identifier: MIT
-- In place of groupcache.discover for `groupcached run-getter` (groupcache/cli/try.lua): the same,
-- but no group has peers of its own, neither typed nor of a source. So a try asks no node for a
-- value, and no source lists it.

local core = require "groupcache.core"
local discover = require "groupcache.real" "groupcache.discover"

discover.of_groups = setmetatable({}, { __newindex = function() end })

local define = core.define

-- As groupcache.group calls it.
function core.define(name, numbers, content_type, getter, place, headers, _, ...)
  return define(name, numbers, content_type, getter, place, headers, nil, ...)
end

return discover
