-- SPDX-License-Identifier: MIT
-- groupcache.discover: sources of lists of peers.
--
-- A source is a table with these fields:
--   name              of the source, for the log and /stats; two sources of one name are the same
--   look(self, ctx)   returns the list: URLs of peers; or nil, message. The third result is the
--                     number of seconds until the next look [10]. The fourth is a list of URLs of
--                     peers that have left by themselves. It may wait.
--   tend(self, ctx)   optional: keeps this node listed; returns the seconds until the next call, or
--                     nil, message. It may wait.
--   leave(self, ctx)  optional: takes this node out of the list; has two seconds
--   host              optional: an address that a node with self = "auto" must be able to reach
-- ctx has `self`, this node's own URL; `peers`, the list that is used now; and `wait`, how many
-- seconds look() may wait for a change.
--
-- groupcache.discover.keeper calls these functions in the node's control worker.

local address = require "groupcache.discover.address"

-- `of_groups` has the sources of groups' own peers, by the group's name.
local discover = { of_groups = {} }

local KINDS = { "consul", "dns", "etcd", "file", "static" }

for _, kind in ipairs(KINDS) do
  discover[kind] = function(given)
    local source, err = require("groupcache.discover." .. kind)(given)
    if not source then
      error(err, 2)
    end
    return source
  end
end

-- "node.lua:12", of a function.
local function place_of(fn)
  local info = debug.getinfo(fn, "S")
  return ("%s:%d"):format(info.short_src, info.linedefined)
end

--- Whether a value can be no list, but a source.
function discover.is_source(value)
  return type(value) == "function" or address.is_one(value)
    or type(value) == "table" and type(value.look) == "function"
end

--- The source that a setting `peers` names: a text, a function, or a source itself.
-- @return source; or nil, message; or nothing if the value is a list
function discover.source(value)
  if type(value) == "string" then
    local kind, options = address.parse(value)
    if not kind then
      return nil, options
    end
    return require("groupcache.discover." .. kind)(options)
  elseif type(value) == "function" then
    return { name = "the function at " .. place_of(value),
      look = function(_, ctx) return value(ctx) end }
  elseif type(value) == "table" and type(value.look) == "function" then
    if value.name ~= nil and type(value.name) ~= "string" or (value.name or ""):find("%c") then
      return nil, "the name of a source of peers must be a string without control bytes"
    end
    value.name = value.name or "the source at " .. place_of(value.look)
    return value
  end
end

return discover
