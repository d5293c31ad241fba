-- SPDX-License-Identifier: MIT
-- The directives of Cache-Control (RFC 9111, 5.2) and of CDN-Cache-Control, a dictionary of
-- structured fields (RFC 9213, RFC 8941). Pure functions.

local directives = {}

local MAX_SECONDS = 2 ^ 31 -- RFC 9111, 1.2.2: larger ones count as this

local TOKEN = "[%w!#$%%&'*+%-.^_`|~]+"

-- The parts of a list, which are separated by commas outside of quotes.
local function parts(text)
  local out, from, at, quoted = {}, 1, 1, false
  while at <= #text do
    local c = text:sub(at, at)
    if quoted and c == "\\" then
      at = at + 1
    elseif c == '"' then
      quoted = not quoted
    elseif c == "," and not quoted then
      out[#out + 1] = text:sub(from, at - 1)
      from = at + 1
    end
    at = at + 1
  end
  out[#out + 1] = text:sub(from)
  return out
end

--- The seconds of a value: digits, else nil.
function directives.seconds(value)
  if type(value) ~= "string" or not value:find "^%d+$" then
    return nil
  end
  return math.min(tonumber(value), MAX_SECONDS)
end

--- The members of a list of tokens, in lower case.
function directives.names(text)
  local out = {}
  for name in text:gmatch(TOKEN) do
    out[#out + 1] = name:lower()
  end
  return out
end

--- Reads a Cache-Control.
-- @param text all its lines, joined by commas
-- @return { name = value, or true without a value }; of a repeated directive the first counts
function directives.parse(text)
  local out = {}
  for _, part in ipairs(parts(text)) do
    local name, behind = part:match("^%s*(" .. TOKEN .. ")(.*)$")
    if name then
      local value = behind:match '^="(.*)"%s*$' or behind:match "^=(.-)%s*$"
      name = name:lower()
      if out[name] == nil and (value or behind:find "^%s*$") then
        out[name] = value or true
      end
    end
  end
  return out
end

-- The value of a member of a dictionary: an integer, true, or false for one that means nothing
-- here; nil: it is no such value.
local function bare(text)
  if text == "" or text == "=?1" then
    return true
  elseif text == "=?0" then
    return false
  end
  local number = text:match "^=(%-?%d+)$"
  if number and #number <= 15 then
    return number
  end
  if text:find '^="[ !#-%[%]-~]*"$' or text:find "^=[%a*][%w!#$%%&'*+%-.^_`|~:/]*$"
    or text:find "^=%-?%d+%.%d+$" then
    return text
  end
  return nil
end

local SECONDS = { ["max-age"] = true, ["s-maxage"] = true, ["stale-while-revalidate"] = true,
  ["stale-if-error"] = true }

--- Reads a CDN-Cache-Control.
-- @return as parse(); nil if it is no dictionary, or a number of seconds is none: then it counts
--   for nothing
function directives.parse_structured(text)
  local out = {}
  for _, part in ipairs(parts(text)) do
    local name, behind = part:match "^[ \t]*([%l*][%l%d_%-.*]*)(.-)[ \t]*$"
    local value = name and bare((behind:gsub(";.*$", "")))
    if value == nil or (SECONDS[name] and not directives.seconds(value)) then
      return nil
    end
    out[name] = value or nil -- of a repeated member the last counts
  end
  return out
end

return directives
