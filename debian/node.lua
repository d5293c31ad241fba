-- SPDX-License-Identifier: MIT
-- The groups and settings of the node that groupcached.service runs. After a change:
--   groupcached check /etc/groupcache/node.lua && systemctl reload groupcached
-- Try it: curl -i http://127.0.0.1:8080/cache/licenses/GPL-3
-- More scripts: /usr/share/doc/groupcache/examples

local groupcache = require "groupcache"

groupcache.group("licenses", {
  content_type = "text/plain; charset=utf-8",
  getter = function(key)
    if key:find("[^%w.-]") or key:find("..", 1, true) then
      return nil                           -- not found
    end
    local file = io.open("/usr/share/common-licenses/" .. key, "rb")
    local text = file and file:read("*a")
    if file then file:close() end
    return text, nil, 60                   -- a value, no error, and a ttl in seconds
  end,
})

return { listen = "127.0.0.1:8080" }
