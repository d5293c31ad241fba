-- SPDX-License-Identifier: MIT
-- rate_limit.lua: a source that allows 10 questions a second. The VMs of the node count together,
-- so the limit is exact: an 11th load in the same second is BUSY.
--   build/bin/groupcached examples/rate_limit.lua
--   curl -i http://127.0.0.1:8080/cache/prices/gold

local groupcache = require "groupcache"

local LIMIT = 10
local asked = groupcache.shared "asked"

groupcache.group("prices", { ttl = 60, getter = function(key)
  local second = tostring(os.time())
  if asked:incr(second, 1, 2) > LIMIT then
    return nil, ("more than %d questions in a second"):format(LIMIT), "BUSY"
  end
  return "the price of " .. key .. "\n" -- here the source would be asked
end })
