-- SPDX-License-Identifier: MIT
-- groupcache.discover.start: finds the sources of a script that has run, in the VM that keeps the
-- lists, and lets the keeper keep them.

local discover = require "groupcache.discover"
local keeper = require "groupcache.discover.keeper"
local options = require "groupcache.options"
local sorted = require "groupcache.sorted"

local USUAL_WAIT_MS = 30000

-- The sources of the node's list and of groups, in a fixed order.
local function sources_of(given)
  local lists = {}
  if discover.is_source(given) then
    local source, err = discover.source(given)
    if not source then
      error(err, 0)
    end
    lists[1] = { source = source }
  end
  for _, name in ipairs(sorted(discover.of_groups)) do
    lists[#lists + 1] = { source = discover.of_groups[name], group = name }
  end
  return lists
end

--- @param given { peers, peers_wait, ring_scheme = the settings that go before the script's,
--   before = names of the sources of the earlier script, each ended by a line end }
-- @param settings the table that the script returned, or nil; loses `peers` if that is a source
-- @return { source = the name of the source of the node's list, or nil, sources = names, each ended
--   by a line end, host = a host that the source must be able to reach, or nil }
return function(given, settings)
  settings = settings or {}
  local function setting(name)
    if given[name] ~= nil then
      return given[name]
    end
    return settings[name]
  end
  local lists, names = sources_of(setting "peers"), {}
  if discover.is_source(settings.peers) then
    settings.peers = nil
  end
  for i, list in ipairs(lists) do
    names[i] = list.source.name .. "\n"
    list.goes_on = ("\n" .. (given.before or "")):find("\n" .. names[i], 1, true) ~= nil
  end
  if #lists > 0 then
    local ms = options.value({ kind = "duration" }, setting "peers_wait")
    keeper.keep(lists, { ready_ms = ms or USUAL_WAIT_MS, any_scheme = setting "ring_scheme" })
  end
  local first = #lists > 0 and not lists[1].group and lists[1].source or {}
  return { source = first.name, sources = table.concat(names), host = first.host }
end
