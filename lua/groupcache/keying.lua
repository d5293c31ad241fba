-- SPDX-License-Identifier: MIT
-- groupcache.keying: the options `query`, `vary` and `key` of a group as rules for the server, and
-- the parts of a key that the first two made. src/http/keying.h says what a rule is.

local keying = {}

local MAX_NAMES = 64
local TOKEN = "^[%w!#$%%&'*+%-.^_`|~]+$"

-- Texts that can stand in a rule, as a list; or nil, message.
local function texts(list, what, pattern, must)
  if type(list) ~= "table" or #list == 0 or #list > MAX_NAMES then
    return nil, ("%s must be a list of 1 to %d strings"):format(what, MAX_NAMES)
  end
  for i, text in ipairs(list) do
    if type(text) ~= "string" or not text:find(pattern) then
      return nil, ("%s: item %d is %s, and must be %s"):format(what, i,
        type(text) == "string" and ("%q"):format(text) or "a " .. type(text), must)
    end
  end
  return list
end

-- The policy, and rules as a list; or nil, message.
local function of_query(query)
  if query == "refuse" or query == "key" then
    return query, {}
  elseif type(query) ~= "table" then
    return nil, ('query is %s, and must be "refuse", "key" or a table with names or sort'):format(
      type(query) == "string" and ("%q"):format(query) or tostring(query))
  end
  local rules = {}
  for field, value in pairs(query) do
    if field == "sort" and type(value) == "boolean" then
      rules[#rules + 1] = value and "sort" or nil
    elseif field == "names" then
      local names, err = texts(value, "query.names", "^[^%c]+$", "a name without control bytes")
      if not names then
        return nil, err
      end
      for _, name in ipairs(names) do
        rules[#rules + 1] = "name " .. name
      end
    else
      return nil, ("query.%s is no option: a table has names = { ... } and sort = true"):format(
        tostring(field))
    end
  end
  table.sort(rules)
  return "key", rules
end

-- The words that a header chooses from, as the end of its rule; or nil, message.
local function choices(name, list)
  local words, err = texts(list, ("vary[%q]"):format(name), TOKEN, "a token, such as de or gzip")
  return words and " " .. table.concat(words, " "):lower(), err
end

-- Rules, sorted by header; or nil, message.
local function of_vary(vary)
  local rules = {}
  if type(vary) ~= "table" then
    return nil, ("vary is a %s, and must be a list of headers, or headers with the values to "
      .. "choose from"):format(type(vary))
  end
  for key, value in pairs(vary) do
    local name, words, err = key, "", nil
    if type(key) == "number" then
      name = value
    else
      words, err = choices(tostring(key), value)
    end
    if not words then
      return nil, err
    elseif type(name) ~= "string" or not name:find(TOKEN) then
      return nil, ("vary: %s is no name of a header"):format(
        type(name) == "string" and ("%q"):format(name) or "a " .. type(name))
    end
    rules[#rules + 1] = "vary " .. name:lower() .. words
  end
  table.sort(rules)
  if #table.concat(rules, ",") > 512 then
    return nil, "vary has more than 512 bytes of names and values"
  end
  return rules
end

-- How many arguments a function may use, of the three that there are.
local function arguments(fn)
  local info = debug.getinfo(fn, "u")
  return info.isvararg and 3 or math.max(1, math.min(3, info.nparams))
end

--- The options as the engine takes them.
-- @param key the key function, in place of the others; or nil
-- @return "refuse" or "key", rules, a line each, and the arguments of the function; or nil, message
function keying.rules(query, vary, key)
  if key then
    local n = arguments(key)
    return "key", ("function %d\n"):format(n), n
  end
  local policy, of_q = of_query(query)
  if not policy then
    return nil, of_q
  end
  local of_v, err = of_vary(vary)
  if not of_v then
    return nil, err
  end
  for _, rule in ipairs(of_v) do
    of_q[#of_q + 1] = rule
  end
  return policy, of_q[1] and table.concat(of_q, "\n") .. "\n" or ""
end

local function decoded(text)
  return (text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end))
end

-- Names and values, as they are.
local function pairs_of(text)
  local out = {}
  for pair in text:gmatch "[^&]+" do
    local name, value = pair:match "^(.-)=(.*)$"
    out[name or pair] = value or ""
  end
  return out
end

--- The parts of a key of a group with `query` or `vary`.
-- @return { path =, query = text or nil, args = table, vary = table }
function keying.split(key)
  local front, behind = key:match "^(.*)#(.-)$"
  local path, query = (front or key):match "^(.-)%?(.*)$"
  local vary = {}
  for name, value in pairs(pairs_of(behind or "")) do
    vary[name] = decoded(value)
  end
  return { path = path or front or key, query = query, args = pairs_of(query or ""), vary = vary }
end

return keying
