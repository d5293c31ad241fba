-- SPDX-License-Identifier: MIT
-- What to say of a name that is no setting and no option: what was meant, if that can be told.

local NEAR = 2 -- edits; of a name of two letters everything is that near

-- What people type -> what it is called here. First of the kind that was asked for.
local SYNONYMS = {
  option = {
    ttl = { "age", "expire", "expires", "expiration", "expiry", "lifetime", "max_age", "maxage" },
    cache_bytes = { "cache", "cache_size", "capacity", "max_bytes", "max_size", "memory",
      "size" },
    getter = { "fetch", "fn", "get", "load", "loader" },
    max_value_bytes = { "max_value", "max_value_size" },
    max_loads = { "concurrency", "max_concurrency" },
    max_waiting = { "max_pending", "max_waiters" },
    cpu_timeout = { "cpu", "cpu_limit", "max_cpu" },
  },
  setting = {
    listen = { "addr", "address", "bind", "host", "http", "port" },
    workers = { "threads" },
    log_level = { "debug", "level", "log", "loglevel", "verbose", "verbosity" },
    vm_bytes = { "lua_memory", "vm_memory" },
    peers = { "cluster", "members", "nodes" },
    max_connections = { "connections", "maxconn" },
    max_key_bytes = { "key_size", "max_key", "max_key_size" },
  },
}

local PLACES = {
  option = "an option of a group: put it into the options of groupcache.group",
  setting = "a setting of the node: put it into the table that the script returns",
}

local OTHER = { option = "setting", setting = "option" }

local function schemas()
  return { option = require "groupcache.schema", setting = require("groupcache.config").SETTINGS }
end

-- Edits between two names (Levenshtein).
local function distance(a, b)
  local row = {}
  for j = 0, #b do
    row[j] = j
  end
  for i = 1, #a do
    local diagonal = row[0]
    row[0] = i
    for j = 1, #b do
      local cost = a:byte(i) == b:byte(j) and 0 or 1
      local best = math.min(row[j] + 1, row[j - 1] + 1, diagonal + cost)
      diagonal = row[j]
      row[j] = best
    end
  end
  return row[#b]
end

local function nearest(schema, name)
  local best, least
  for known in pairs(schema) do
    local d = distance(known, name)
    if d <= NEAR and d < #name and (not least or d < least or (d == least and known < best)) then
      best, least = known, d
    end
  end
  return best
end

local function synonym(kind, name)
  for known, words in pairs(SYNONYMS[kind]) do
    for _, word in ipairs(words) do
      if word == name then
        return known
      end
    end
  end
  return nil
end

local names = {}

--- What to say of an unknown name.
-- @param schema where it was looked for
-- @param show how the name of a known one is written
-- @return a text that begins with a comma or a colon, or an empty one
function names.hint(schema, name, show)
  local all, kind = schemas(), nil
  for k, known in pairs(all) do
    kind = known == schema and k or kind
  end
  local plain = name:lower():gsub("-", "_")
  if not kind then
    local near = nearest(schema, plain)
    return near and ", the nearest is " .. show(near) or ""
  end
  local other = OTHER[kind]
  if schema[plain] then
    return ", it is called " .. show(plain)
  end
  if all[other][plain] then
    return (": it is %s"):format(PLACES[other])
  end
  local meant = synonym(kind, plain)
  if meant then
    return ", it is called " .. show(meant)
  end
  meant = synonym(other, plain)
  if meant then
    return (": %s is %s"):format(meant, PLACES[other])
  end
  meant = nearest(schema, plain)
  if meant then
    return ", the nearest is " .. show(meant)
  end
  meant = nearest(all[other], plain)
  return meant and (": the nearest is %s, %s"):format(meant, PLACES[other]) or ""
end

return names
