-- SPDX-License-Identifier: MIT
-- npm.lua: a mirror of an npm registry. What a package has is asked again after five minutes, with
-- its ETag; its archives never change. The addresses of archives lead to the mirror.
--   REGISTRY=https://registry.npmjs.org build/bin/groupcached examples/npm.lua
--   npm install --registry=http://127.0.0.1:8080/cache/npm left-pad
-- SELF is the address that clients know the mirror by. A registry that is down is no trouble for
-- what the mirror has had within a week.

local groupcache = require "groupcache"
local http = require "groupcache.http"

local REGISTRY = (os.getenv "REGISTRY" or "https://registry.npmjs.org"):gsub("/+$", "")
local SELF = (os.getenv "SELF" or "http://127.0.0.1:8080/cache/npm"):gsub("/+$", "")
local PREFIX = REGISTRY:match "^https?://[^/]+(.*)$":gsub("%p", "%%%0") -- of its paths
local WEEK = 7 * 24 * 3600

-- A path of the registry: "left-pad", "@scope/name", "left-pad/-/left-pad-1.3.0.tgz".
local function ask(path, headers)
  local res, err, code = http.get(REGISTRY .. "/" .. path, { headers = headers, retries = 2,
    follow = 5, compressed = true })
  if not res then return nil, err, code end
  if res.status == 404 then return nil, path .. " is not in the registry", "NOTFOUND" end
  if res.status ~= 200 and res.status ~= 304 then
    return nil, "the registry says " .. res.status, "PEER"
  end
  return res
end

-- What a package has, with our addresses in place of the registry's.
local function package_of(path, ctx)
  local old = ctx.old and ctx.old.headers and ctx.old.headers.etag
  local res, err, code = ask(path, { Accept = "application/json", ["If-None-Match"] = old })
  if not res then return nil, err, code end
  if res.status == 304 then return groupcache.same, nil, 300 end
  local body = res.body:gsub('("tarball"%s*:%s*")https?://[^/"]+(/[^"]*)', function(head, at)
    return head .. SELF .. at:gsub("^" .. PREFIX, "")
  end)
  return { body = body, ttl = 300, content_type = "application/json",
    headers = { etag = res.headers.etag } }
end

groupcache.group("npm", {
  cache_bytes = "512MB", max_value_bytes = "32MB", timeout = 30, negative_ttl = 60,
  keep_old = WEEK, stale_if_error = WEEK, stale_while_revalidate = 60,
  getter = function(key, ctx)
    if key:find "%.%./" or not key:find "^[%w@%-_.~/]+$" then return nil end
    if not key:find("/-/", 1, true) then return package_of(key:gsub("/", "%%2f", 1), ctx) end
    local res, err, code = ask(key)
    if not res then return nil, err, code end
    return { body = res.body, content_type = "application/octet-stream", ttl = 10 * 52 * WEEK }
  end,
})

return { listen = "127.0.0.1:8080" }
