-- SPDX-License-Identifier: MIT

--- A node whose group `site` is an HTTP cache, and the origin behind it.
--
--   site.start(source, options) -> node, stop   the source as of node.fake; the options of
--                                               groupcache.http.cache, as text; stop() ends both

local fake = require "node.fake"
local node = require "support.node"

local site = {}

function site.start(source, options)
  local origin = fake.start(source)
  local n = node.start { env = { ORIGIN = origin.url }, script = ([[
    local groupcache = require "groupcache"
    groupcache.group("site", groupcache.http.cache(os.getenv "ORIGIN", %s))
  ]]):format(options or "nil") }
  return n, function()
    n:stop()
    origin:stop()
  end
end

return site
