-- SPDX-License-Identifier: MIT
-- groupcache.reload: reads a node's script again. The node takes it, or goes on unchanged.

local config = require "groupcache.config"
local core = require "groupcache.core"

-- The settings that a reload changes; others hold from the start.
local RELOADED = { log_level = true, log_format = true, peers = true, peers_wait = true }

local function warn_of_changes(old, new)
  for name in pairs(config.SETTINGS) do
    if old[name] ~= new[name] and not RELOADED[name] then
      core.log("warn", "a changed setting takes a restart", "setting=" .. name, "node")
    end
  end
end

--- Reads the script of a node again.
-- @param raw the node, as core.node() made it
-- @param flags settings that go before the script's, already parsed
-- @param old the settings it was started with; `sources` are those of the last reload
-- @return true; or nil, message, code, and nothing has changed
return function(raw, path, flags, old)
  local script, settings = config.prepare(path, flags, old)
  if not script then
    return nil, settings, "INVAL"
  end
  local ok, err, code = raw:reload(script, settings)
  script:close()
  if not ok then
    return nil, err, code
  end
  old.sources = settings.sources
  core.set_log(settings.log_level, settings.log_format)
  warn_of_changes(old, settings)
  return true
end
