-- SPDX-License-Identifier: MIT
-- The group option `writable`: who may set and remove values over HTTP.
--
-- The engine takes rules, each ended by a line end: "t" and a token, or "n" and a network
-- (group_writers() in cache/group.h).

local core = require "groupcache.core"
local options = require "groupcache.options"

local writable = {}

local SCHEMA = {
  token = { kind = "words", secret = true }, -- two during a rotation
  token_file = { kind = "text" },
  networks = { kind = "words" },
}

-- RFC 6750 2.1; a comma parts two tokens.
local TOKEN = "^[%w%-%._~%+/]+=*$"

local function add_tokens(rules, text, pattern, where)
  local n = 0
  for token in text:gmatch(pattern) do
    if not token:find(TOKEN) then
      return nil, where .. " has a byte that a token cannot have: a token is letters, digits and "
        .. "- . _ ~ + /, with any = at the end"
    end
    rules[#rules + 1] = "t" .. token .. "\n"
    n = n + 1
  end
  if n == 0 then
    return nil, where .. " has no token"
  end
  return true
end

-- One token a line.
local function add_file(rules, path)
  local file, err = io.open(path)
  local text = file and file:read("*a")
  if file then
    file:close()
  end
  if not text then
    return nil, "writable.token_file: " .. (err or path .. ": cannot be read")
  end
  return add_tokens(rules, text, "[^%s]+", "writable.token_file " .. path)
end

local function add_networks(rules, text)
  for network in text:gmatch("[^,%s]+") do
    local ok, err = core.check_network(network)
    if not ok then
      return nil, "writable.networks: " .. err
    end
    rules[#rules + 1] = "n" .. network .. "\n"
  end
  return true
end

--- The rules of a group.
-- @param given false, true, or { token =, token_file =, networks = }
-- @return text, empty if there is nothing to ask for; or nil, message
function writable.rules(given)
  if type(given) == "boolean" then
    return ""
  elseif type(given) ~= "table" then
    return nil, ("writable is a %s, and must be true, false, or a table with token, token_file or "
      .. "networks"):format(type(given))
  end
  local o, err = options.check(SCHEMA, given, "writable")
  if not o then
    return nil, err
  end
  local rules, ok = {}, true
  if o.token then
    ok, err = add_tokens(rules, o.token, "[^,%s]+", "writable.token")
  end
  if ok and o.token_file then
    ok, err = add_file(rules, o.token_file)
  end
  if ok and o.networks then
    ok, err = add_networks(rules, o.networks)
  end
  if ok and #rules == 0 then
    ok, err = nil, "writable asks for nothing: write true if every client may change the group"
  end
  if not ok then
    return nil, err
  end
  return table.concat(rules)
end

return writable
