-- SPDX-License-Identifier: MIT
-- The script of the image. Mount yours over /etc/groupcache/node.lua, or name another one behind the
-- image. Try it: curl -i http://127.0.0.1:8080/cache/hello/you

local groupcache = require "groupcache"

groupcache.group("hello", {
  content_type = "text/plain; charset=utf-8",
  getter = function(key)
    return "hello, " .. key .. "\n", nil, 60   -- a value, no error, and a ttl in seconds
  end,
})

-- Every address: from outside of the container, 127.0.0.1 is not reached.
return { listen = ":8080" }
