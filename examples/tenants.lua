-- SPDX-License-Identifier: MIT
-- tenants.lua: pages of many sites, made by one service. The site is the first part of the Host,
-- phones get pages of their own, and a path has one spelling. A function makes the key of that.
--   API=http://127.0.0.1:9000 build/bin/groupcached examples/tenants.lua
--   curl -i -H 'Host: red.example' http://127.0.0.1:8080/cache/pages/news/?page=2

local groupcache = require "groupcache"
local http = require "groupcache.http"

local API = os.getenv "API" or "http://127.0.0.1:9000"

groupcache.group("pages", {
  ttl = 600, stale_while_revalidate = 3600, stale_if_error = 86400,

  -- For each request, also a hit: short, and it cannot wait.
  key = function(path, query, headers)
    local site = (headers.host or ""):lower():match "^(%a[%w-]*)%." -- not of an address
    if not site then
      return nil, 404, "no such site"
    end
    local device = (headers["user-agent"] or ""):find "Mobi" and "phone" or "desk"
    local page = (query.page or ""):match "^%d%d?%d?$" or "1"
    path = path:lower():gsub("//+", "/"):gsub("^/", ""):gsub("/$", "")
    return ("%s/%s/%d/%s"):format(site, device, page, path) -- few keys, whatever clients send
  end,

  getter = function(key)
    local site, device, page, path = key:match "^(.-)/(.-)/(%d+)/(.*)$"
    path = path:gsub("[^/]+", http.escape)
    local res, err, code = http.get(("%s/%s/%s"):format(API, site, path), {
      query = { page = page, device = device } })
    if not res then return nil, err, code end
    if res.status == 404 then return nil end
    if res.status ~= 200 then return nil, "the service says " .. res.status end
    return {
      body = res.body, content_type = res.headers["content-type"],
      headers = { vary = "user-agent, host" }, -- for caches and browsers behind this one
      tags = { "site:" .. site },
    }
  end,
})
