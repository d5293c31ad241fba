-- SPDX-License-Identifier: MIT
-- rate_limit.lua: an API that allows 10 questions a second. The VMs of the node count together, so
-- the limit is exact: an 11th load in the same second is BUSY, or the old value if there is one. If
-- the API says 429 all the same, nobody asks it for as long as it says, an hour at most.
--   API=http://127.0.0.1:9000 build/bin/groupcached examples/rate_limit.lua
--   curl -i http://127.0.0.1:8080/cache/prices/gold

local groupcache = require "groupcache"
local http = require "groupcache.http"

local API = os.getenv "API" or "http://127.0.0.1:9000"
local LIMIT = 10
local asked = groupcache.shared "asked"

groupcache.group("prices", {
  ttl = 60, negative_ttl = 10, stale_if_error = 3600,
  getter = function(key)
    if asked:get "paused" then return nil, "the API has asked for a pause", "BUSY" end
    if asked:incr(tostring(os.time()), 1, 2) > LIMIT then
      return nil, ("more than %d questions in a second"):format(LIMIT), "BUSY"
    end
    local res, err, code = http.get(API .. "/prices/" .. http.escape(key), { timeout = 2 })
    if not res then return nil, err, code end
    if res.status == 404 then return nil end
    if res.status == 429 then
      local told = tonumber((res.headers["retry-after"] or ""):match "^%d+$") -- else a date
      asked:set("paused", 1, math.max(1, math.min(told or 1, 3600)))
      return nil, "the API says 429", "BUSY"
    end
    if res.status ~= 200 then return nil, "the API says " .. res.status end
    return res.body
  end,
})
