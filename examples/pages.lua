-- SPDX-License-Identifier: MIT
-- pages.lua: what a site needs beside bytes: pictures with types, redirects that are kept, and
-- pages in two languages that are removed by what they show. The origin is an HTTP server.
--   ORIGIN=http://127.0.0.1:9000 build/bin/groupcached examples/pages.lua
--   curl -i http://127.0.0.1:8080/cache/pictures/17.png
--   curl -i -H Accept-Language:de 'http://127.0.0.1:8080/cache/pages/users/17?utm=x'
--   curl -i -d '{"remove_tags": ["user:17"]}' http://127.0.0.1:8080/cache/pages

local groupcache = require "groupcache"
local http = require "groupcache.http"

local ORIGIN = os.getenv("ORIGIN") or "http://127.0.0.1:9000"

-- Headers of the origin's answer that clients get, too.
local KEPT = { "etag", "last-modified", "cache-control", "location", "content-disposition" }

-- An answer of the origin, with what is to be kept of it.
local function fetch(path, more)
  local url = ORIGIN .. "/" .. path:gsub("[^/]+", http.escape)
  local res, err, code = http.get(url, { timeout = 2 })
  if not res then return nil, err, code end
  if res.status >= 500 then return nil, "the origin says " .. res.status end
  local headers = {}
  for _, name in ipairs(KEPT) do
    headers[name] = res.headers[name]
  end
  more.body, more.status, more.headers = res.body, res.status, headers
  more.content_type = res.headers["content-type"]
  more.ttl = res.status == 200 and 3600 or 30 -- a redirect, or a picture that is missing
  return more
end

groupcache.group("pictures", {
  stale_if_error = 86400,
  getter = function(key) return fetch("pictures/" .. key, {}) end,
})

groupcache.group("pages", {
  query = { names = { "page" } },                     -- others, such as utm, make no other key
  vary = { ["accept-language"] = { "en", "de" } },
  stale_while_revalidate = 60,
  stale_if_error = 86400,
  writable = { networks = { "127.0.0.1" } },          -- who may remove
  getter = function(key)
    local parts = groupcache.split(key)
    local user = parts.path:match "^users/(%d+)$"
    local path = ("%s/%s.%s.html"):format(parts.vary["accept-language"], parts.path,
      parts.args.page or "1")
    return fetch(path, { tags = { parts.path, user and "user:" .. user } })
  end,
})

return { listen = "127.0.0.1:8080" }
