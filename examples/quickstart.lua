-- SPDX-License-Identifier: MIT
-- quickstart.lua: the files of a folder, cached. Works on a bare machine, offline.
--
-- Once `make run` serves it, try:
--   curl -i http://127.0.0.1:8080/cache/files/GPL-3
--   curl -I http://127.0.0.1:8080/cache/files/GPL-3         # again: X-Cache says main
--   curl -i http://127.0.0.1:8080/cache/files/no-such-file
--   curl -s http://127.0.0.1:9080/stats

local groupcache = require "groupcache"

local ROOT = os.getenv("QUICKSTART_ROOT") or "/usr/share/common-licenses/"

groupcache.group("files", {
  cache_bytes = "64MB",
  content_type = "text/plain; charset=utf-8",
  getter = function(key)
    if key:find("..", 1, true) or key:find("%z") then
      return nil, "a path without .. and NUL, please"
    end
    local file = io.open(ROOT .. key, "rb")
    local bytes = file and file:read("*a") -- nil for a folder
    if file then file:close() end
    return bytes, nil, 60                  -- nil: 404; else kept for a minute
  end,
})

return { listen = "127.0.0.1:8080" }
