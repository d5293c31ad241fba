-- SPDX-License-Identifier: MIT
-- site.lua: a cache in front of a web site, by the rules of HTTP (RFC 9111). On several nodes it is
-- one cache. What is kept, and for how long, is the site's word.
--   ORIGIN=http://127.0.0.1:9000 build/bin/groupcached examples/site.lua
--   curl -i http://127.0.0.1:8080/index.html    # Cache-Status says fwd=uri-miss; stored
--   curl -i http://127.0.0.1:8080/index.html    # now it says hit
--   curl -i -r 0-4 http://127.0.0.1:8080/index.html
--   curl -i -X DELETE http://127.0.0.1:8080/cache/site    # forgets all of it

local groupcache = require "groupcache"

groupcache.group("site", groupcache.http.cache(os.getenv "ORIGIN", {
  cache_bytes = "256MB",
  max_value_bytes = "32MB",
  stale_while_revalidate = 10, -- nobody waits for what has been stale for less than that
  cache_status = true,
  writable = { networks = { "127.0.0.0/8" } },
}))

return { front = "site" }
