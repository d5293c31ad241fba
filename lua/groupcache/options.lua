-- SPDX-License-Identifier: MIT
-- Checks a table of options against a schema: types, units, names.
--
-- A schema maps a name to a rule: { kind, default =, ... }. Every check returns the complete table,
-- or nil and one line with the option, the value and the allowed values. The caller raises, at the
-- right line.

local core = require "groupcache.core"
local discover = require "groupcache.discover"
local names = require "groupcache.names"

local options = {}

local UNITS = {
  B = 1,
  KB = 1e3, MB = 1e6, GB = 1e9,
  KIB = 2 ^ 10, MIB = 2 ^ 20, GIB = 2 ^ 30,
}

local MAX_SECONDS = 1e9

-- A count of bytes: 1500, "1500", "64MB", "1.5 GiB".
local function size(value)
  if type(value) == "string" then
    local number, unit = value:match("^%s*(%d+%.?%d*)%s*(%a*)%s*$")
    local factor = number and (unit == "" and 1 or UNITS[unit:upper()])
    if not factor then
      return nil, 'a number of bytes, or a text such as "64MB" or "1GiB"'
    end
    value = math.floor(tonumber(number) * factor)
  end
  if type(value) ~= "number" or value < 0 or value > 2 ^ 50 or value % 1 ~= 0 then
    return nil, 'a number of bytes, or a text such as "64MB" or "1GiB"'
  end
  return value
end

local TIMES = { ms = 1, s = 1000, m = 60e3, h = 3600e3, d = 86400e3 }

-- Milliseconds, of a text such as "250ms" or "1.5h"; nil for any other.
local function milliseconds(text)
  local number, unit = text:match("^%s*(%d+%.?%d*)%s*(%a+)%s*$")
  local factor = number and TIMES[unit:lower()]
  return factor and tonumber(number) * factor
end

-- Seconds, fractions allowed; kept in milliseconds.
local function duration(value, rule)
  local least = rule.above_zero and " above 0" or ", 0 or more"
  local ms = type(value) == "number" and value * 1000
    or type(value) == "string" and milliseconds(value)
  if not ms then
    return nil, ('a number of seconds%s, or a text such as "250ms" or "1.5h" (ms, s, m, h or d)')
      :format(least)
  end
  if ms ~= ms or ms < 0 or (rule.above_zero and ms == 0) then
    return nil, "a number of seconds" .. least
  end
  if ms > MAX_SECONDS * 1000 then
    return nil, ("at most %d seconds"):format(MAX_SECONDS)
  end
  return math.ceil(ms)
end

local function integer(value, rule)
  if type(value) ~= "number" or value % 1 ~= 0 or value < rule.min or value > rule.max then
    return nil, ("a whole number from %d to %d"):format(rule.min, rule.max)
  end
  return value
end

-- A number, kept in thousandths.
local function thousandths(value, rule)
  if type(value) ~= "number" or value ~= 0 and not (value >= 0.001 and value <= rule.max) then
    return nil, ("a number from 0.001 to %d, or 0"):format(rule.max)
  end
  return math.floor(value * 1000 + 0.5)
end

-- A part of something. A part below a thousandth is wrong: it would count as 0, which often means
-- something else.
local function share(value)
  return thousandths(value, { max = 1 })
end

local function of_type(name)
  return function(value)
    if type(value) ~= name then
      return nil, "a " .. name
    end
    return value
  end
end

-- A text whose bytes are all allowed in a header or a URL.
local function text(value)
  if type(value) ~= "string" or value == "" or value:find("%c") then
    return nil, "a string without control bytes, not empty"
  end
  return value
end

local function one_of(value, rule)
  for _, allowed in ipairs(rule) do
    if value == allowed then
      return value
    end
  end
  return nil, 'one of "' .. table.concat(rule, '", "') .. '"'
end

local function list(value)
  local ok = type(value) == "table"
  local n = 0
  for _ in pairs(ok and value or {}) do
    n = n + 1
  end
  for i = 1, n do
    ok = ok and type(value[i]) == "string"
  end
  if not ok then
    return nil, "a list of strings"
  end
  return value
end

-- A list of URLs, or a source of such lists.
local function peers(value)
  if discover.is_source(value) then
    return value
  end
  return list(value), "a list of strings, or a source of peers"
end

-- Words in one text, parted by commas: a text, or a list of texts.
local function words(value)
  local joined = type(value) == "table" and list(value) and table.concat(value, ",") or value
  if not text(joined) then
    return nil, 'a text such as "peers", or a list of texts'
  end
  return joined
end

-- Levels of the log: "info,peers=debug", or { "info", peers = "debug" }.
local function levels(value)
  if type(value) == "table" then
    local parts = {}
    for module, level in pairs(value) do
      parts[#parts + 1] = module ~= 1 and tostring(module) .. "=" .. tostring(level) or nil
    end
    table.sort(parts)
    table.insert(parts, 1, tostring(value[1] or "info"))
    value = table.concat(parts, ",")
  elseif type(value) ~= "string" then
    return nil, 'a text such as "info,peers=debug", or a table'
  end
  local fine, expected = core.check_log_levels(value)
  return fine and value, expected
end

-- Anything; its reader checks it.
local function any(value)
  return value
end

local KINDS = {
  any = any,
  size = size,
  duration = duration,
  share = share,
  integer = integer,
  thousandths = thousandths,
  text = text,
  list = list,
  peers = peers,
  words = words,
  levels = levels,
  enum = function(value, rule) return one_of(value, rule.values) end,
  boolean = of_type("boolean"),
  ["function"] = of_type("function"),
}

local function show(value)
  if type(value) == "string" then
    return ("%q"):format(#value > 60 and value:sub(1, 60) .. "..." or value)
  end
  return type(value) == "table" and "a table" or tostring(value)
end

local function quote(name)
  return ("%q"):format(name)
end

--- The seconds that a text such as "250ms" says, or nil.
function options.seconds(duration_text)
  local ms = milliseconds(duration_text)
  return ms and ms / 1000
end

--- Checks one value. Returns it in its base unit, or nil and the allowed values.
function options.value(rule, value)
  return KINDS[rule.kind](value, rule)
end

--- A value, for messages: the value of a secret is not told.
function options.show(rule, value)
  return rule.secret and type(value) == "string" and "a secret" or show(value)
end

-- What is wrong with one option, or its value.
local function judge(schema, name, value)
  local rule = schema[name]
  if not rule then
    local hint = type(name) == "string" and names.hint(schema, name, quote) or ""
    return nil, ("unknown option %s%s"):format(show(name), hint)
  end
  local checked, expected = options.value(rule, value)
  if checked == nil then
    return nil, ("%s is %s, and must be %s"):format(name, options.show(rule, value), expected)
  end
  return checked
end

--- Checks `given` against `schema` and fills in defaults.
-- @return the complete table, times in ms and sizes in bytes; or nil, message: all that is wrong
function options.check(schema, given, what)
  if type(given) ~= "table" then
    return nil, ("%s: a %s, and must be a table"):format(what, type(given))
  end
  local out, wrong = {}, {}
  for name, value in pairs(given) do
    local checked, complaint = judge(schema, name, value)
    if complaint then
      wrong[#wrong + 1] = complaint
    else
      out[name] = checked
    end
  end
  for name, rule in pairs(schema) do
    if given[name] == nil and rule.default ~= nil then
      out[name] = options.value(rule, rule.default)
    end
    if given[name] == nil and rule.default == nil and rule.required then
      wrong[#wrong + 1] = name .. " is missing"
    end
  end
  if #wrong > 0 then
    table.sort(wrong)
    return nil, ("%s: %s"):format(what, table.concat(wrong, "; "))
  end
  return out
end

--- A group's own list of peers, as the engine takes it: each ended by a line end.
-- @return text; or nil, message
function options.peer_lines(urls)
  local out = {}
  for i, url in ipairs(urls) do
    local ok, err = core.check_peer_url(url)
    if not ok then
      return nil, err
    end
    out[i] = url .. "\n"
  end
  return table.concat(out)
end

local GET = { timeout = { kind = "duration", above_zero = true },
  full = { kind = "boolean", default = false } }
local PEEK = { full = GET.full }

--- The options of one get: { timeout = seconds, full = boolean }, just the seconds, or nil for
-- none. Raises, in the name of `what`, at the line of the method's caller.
-- @return milliseconds, or nil; whether the value is wanted with its extras
function options.get_timeout(given, what)
  if given == nil then
    return nil, false
  end
  local checked, err = options.check(GET, type(given) == "table" and given or { timeout = given },
    what)
  if not checked then
    error(err, 3)
  end
  return checked.timeout, checked.full
end

--- The options of a peek: { full = boolean } or nil. Raises as get_timeout().
-- @return whether the value is wanted with its extras
function options.get_full(given, what)
  if given ~= nil and type(given) ~= "table" then
    error(("%s: the options are a %s, and must be a table"):format(what, type(given)), 3)
  end
  local checked, err = options.check(PEEK, given or {}, what)
  if not checked then
    error(err, 3)
  end
  return checked.full
end

--- A key, checked for the function `what`; raises at the line of that function's caller.
-- @param limit in bytes, or nil
function options.check_key(key, what, limit)
  if type(key) ~= "string" then
    error(("%s: the key is a %s, and must be a string"):format(what, type(key)), 3)
  end
  if limit and #key > limit then
    error(("%s: the key has %d bytes, max_key_bytes is %d"):format(what, #key, limit), 3)
  end
end

return options
