-- SPDX-License-Identifier: MIT

--- A getter that reads a stream of an origin, and what comes of it.
--
--   local streamed = require "node.streamed"
--   streamed.get(answer, text, options) -> body   the origin runs `answer`, with the connection c;
--                                     the getter returns what `text` does, with the stream s;
--                                     `options` are more fields of the request, ", name = value"
--   streamed.stop()                   ends the node and the origin of the last get

local fake = require "node.fake"
local node = require "support.node"
local rig = require "node.rig"

local streamed = {}

local origin, n

function streamed.get(answer, text, options)
  origin = fake.start("return function(_, c) " .. answer .. " end")
  n = node.start { args = { "--workers", "1" }, script = ([[
    local groupcache, http = require "groupcache", require "groupcache.http"
    groupcache.group("g", { timeout = 3, getter = function()
      local s = assert(http.stream { url = "%s/x" %s })
      %s
    end })
  ]]):format(origin.url, options or "", text) }
  return (assert(n:get("g", "k")).body:gsub("%s+$", ""))
end

function streamed.stop()
  local ended = n
  n = nil
  rig.stop(ended)
  origin:stop()
end

return streamed
