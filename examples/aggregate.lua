-- SPDX-License-Identifier: MIT
-- aggregate.lua: one answer of three APIs, which are asked at the same time. Each part is cached by
-- itself, for its own time. A user is needed; without orders or offers the page says what is
-- missing, and is made again soon.
--   API=http://127.0.0.1:9000 build/bin/groupcached examples/aggregate.lua
--   curl -i http://127.0.0.1:8080/cache/overview/17

local groupcache = require "groupcache"
local http = require "groupcache.http"

local API = os.getenv "API" or "http://127.0.0.1:9000"

-- A group of what the API has below a path.
local function part(name, ttl)
  return groupcache.group(name, {
    codec = "json", ttl = ttl, negative_ttl = 10, stale_if_error = 3600,
    getter = function(id)
      return http.json(API .. "/" .. name .. "/" .. http.escape(id), { timeout = 2, retries = 1,
        headers = { Accept = "application/json" } })
    end,
  })
end

local users, orders, offers = part("users", 300), part("orders", 10), part("offers", 60)

groupcache.group("overview", {
  codec = "json", content_type = "application/json", stale_while_revalidate = 30,
  getter = function(id)
    local values, errors, codes = groupcache.all {
      user = function() return users:get(id) end,
      orders = function() return orders:get(id) end,
      offers = function() return offers:get(id) end,
    }
    if not values.user then return nil, errors.user, codes.user end
    local missing = {}
    for _, name in ipairs { "orders", "offers" } do
      if errors[name] and codes[name] ~= "NOTFOUND" then missing[#missing + 1] = name end
    end
    values.missing = groupcache.list(missing)
    return values, nil, #missing > 0 and 1 or 10
  end,
})
