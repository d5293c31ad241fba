-- SPDX-License-Identifier: MIT
-- groupcache.cli.json: JSON for --json, one object a line, members in the order of their names.
--
-- Strings are bytes: one that is not UTF-8 has each byte above 127 as \u00XX, as /stats has it.

local core = require "groupcache.core"
local sorted = require "groupcache.sorted"

local json = {}

local SHORT = { ['"'] = '\\"', ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t" }

--- Whether bytes are UTF-8 (Unicode 3.9, table 3-7).
function json.is_utf8(s)
  local at, n = 1, #s
  while at <= n do
    local c, d = s:byte(at, at + 1)
    d = d or 0
    local more = c < 0x80 and 0 or c >= 0xc2 and c < 0xe0 and 1 or c >= 0xe0 and c < 0xf0 and 2
      or c >= 0xf0 and c < 0xf5 and 3
    if not more or c == 0xe0 and d < 0xa0 or c == 0xed and d > 0x9f or c == 0xf0 and d < 0x90
      or c == 0xf4 and d > 0x8f then
      return false
    end
    for i = 1, more do
      local e = s:byte(at + i)
      if not e or e < 0x80 or e > 0xbf then
        return false
      end
    end
    at = at + 1 + more
  end
  return true
end

local function text(s)
  s = s:gsub('[%z\1-\31"\\\127]', function(c)
    return SHORT[c] or ("\\u%04x"):format(c:byte())
  end)
  if not json.is_utf8(s) then
    s = s:gsub("[\128-\255]", function(c) return ("\\u%04x"):format(c:byte()) end)
  end
  return '"' .. s .. '"'
end

local encode

local function object(t)
  local out = {}
  for i, name in ipairs(sorted(t)) do
    out[i] = text(name) .. ":" .. encode(t[name])
  end
  return "{" .. table.concat(out, ",") .. "}"
end

function encode(value)
  local kind = type(value)
  if kind == "string" then
    return text(value)
  elseif kind == "number" then
    return value % 1 == 0 and ("%.0f"):format(value) or ("%.6g"):format(value)
  elseif kind == "table" and (#value > 0 or getmetatable(value) == json.LIST) then
    local out = {}
    for i, v in ipairs(value) do
      out[i] = encode(v)
    end
    return "[" .. table.concat(out, ",") .. "]"
  elseif kind == "table" then
    return object(value)
  end
  return tostring(value)
end

--- The metatable of a table that is a list, also when it is empty. Lists that were read have it.
json.LIST = core.list

json.encode = encode

--- Prints a value and a newline.
function json.print(value)
  io.stdout:write(encode(value), "\n")
end

return json
