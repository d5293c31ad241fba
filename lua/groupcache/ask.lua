-- SPDX-License-Identifier: MIT
-- What groupcache.http makes of a request before it is sent, and when it is sent again.

local core = require "groupcache.core"

local ask = {}

local MOST_RETRIES = 10
local MOST_ESCAPED = 2 ^ 20 -- MAX_ESCAPE of bind/io.c
local FIRST_PAUSE, LAST_PAUSE = 0.1, 5 -- seconds

-- RFC 9110 9.2.2: carried out twice they do what they do once.
local REPEATABLE = { GET = true, HEAD = true, PUT = true, DELETE = true, OPTIONS = true,
  TRACE = true }

-- Too Many Requests, Bad Gateway, Service Unavailable, Gateway Timeout.
local LATER = { [429] = true, [502] = true, [503] = true, [504] = true }

local function pair(name, value)
  local kind = type(value)
  if type(name) ~= "string" or kind ~= "string" and kind ~= "number" and kind ~= "boolean" then
    return nil, "query has names, and values that are strings, numbers, booleans or lists of these"
  end
  local text = tostring(value)
  if #name > MOST_ESCAPED or #text > MOST_ESCAPED then
    return nil, ("query: a name or a value has more than %d bytes"):format(MOST_ESCAPED)
  end
  return core.escape(name) .. "=" .. core.escape(text)
end

-- { b = { 1, 2 }, a = "x y" } as "a=x%20y&b=1&b=2"; or nil, what is wrong.
local function query_text(query)
  local names, out = {}, {}
  for name in pairs(query) do
    if type(name) ~= "string" then
      return pair(name)
    end
    names[#names + 1] = name
  end
  table.sort(names)
  for _, name in ipairs(names) do
    local values = query[name]
    for _, value in ipairs(type(values) == "table" and values or { values }) do
      local text, wrong = pair(name, value)
      if not text then
        return nil, wrong
      end
      out[#out + 1] = text
    end
  end
  return table.concat(out, "&")
end

local function with_query(url, query)
  local text, wrong = query_text(query)
  if not text or text == "" then
    return text and url, wrong
  end
  local head, fragment = url:match "^([^#]*)(.*)$"
  return head .. (head:find("?", 1, true) and "&" or "?") .. text .. fragment
end

local function has(headers, name)
  for given in pairs(headers) do
    if type(given) == "string" and given:lower() == name then
      return true
    end
  end
end

-- The body and its header in place of a table to be sent as JSON. -> nothing; or what is wrong
local function set_json(copy, value)
  if copy.body ~= nil then
    return "json and body are two bodies"
  end
  local body, wrong = core.encode(value, "json", 2 ^ 30)
  if not body then
    return "json: " .. tostring(wrong)
  end
  copy.body, copy.method = body, copy.method or "POST"
  local headers = {}
  for name, text in pairs(type(copy.headers) == "table" and copy.headers or {}) do
    headers[name] = text
  end
  if not has(headers, "content-type") then
    headers["Content-Type"] = "application/json"
  end
  copy.headers = headers
end

--- A copy of a request in which `query` and `json` are in the URL and the body. Fields of another
-- type than they should have stay as they are.
-- @return the copy; or nil, what is wrong
function ask.expand(request)
  local copy, wrong = {}, nil
  for name, value in pairs(request) do
    copy[name] = value
  end
  if type(copy.query) == "table" and type(copy.url) == "string" then
    copy.url, wrong = with_query(copy.url, copy.query)
    copy.query = nil
  end
  if not wrong and type(copy.json) == "table" then
    wrong = set_json(copy, copy.json)
    copy.json = nil
  end
  if wrong then
    return nil, wrong
  end
  return copy
end

--- What of a request contradicts itself, or cannot be; nil: nothing. The fields have their types.
function ask.contradiction(request)
  if (request.cert_file == nil) ~= (request.key_file == nil) then
    return "cert_file and key_file are of use together only"
  elseif request.cert_file and request.identity then
    return "cert_file and identity are two certificates"
  elseif request.compressed and request.decode == false then
    return "compressed asks for a coding, and decode = false leaves it"
  end
  local proxy = request.proxy
  if proxy and not proxy:find "^http://[^/?#%s%c]+:%d+/?$" then
    -- It may have a password. Without a port libcurl would take 1080.
    return 'the proxy must be a URL like "http://host:port" or "http://user:password@host:port"'
  elseif proxy and request.deny_private then
    return "deny_private is of no use with a proxy, which connects in our place"
  end
end

--- A URL as messages may show it: without the name and the password in front of its host.
function ask.shown(url)
  return (url:gsub("^(%a[%w+.-]*://)[^/?#]*@", "%1"))
end

--- The number of times that a request is sent again; or nil, what is wrong.
function ask.retries(request)
  local n = request.retries or 0
  if type(n) ~= "number" or n % 1 ~= 0 or n < 0 or n > MOST_RETRIES then
    return nil, ("retries is %s, and must be a whole number from 0 to %d"):format(tostring(n),
      MOST_RETRIES)
  end
  return n
end

--- How long to wait until a request is sent again, in seconds; nil: it is not.
-- @param round 1 before the first repetition
function ask.pause(request, answer, code, round)
  if not REPEATABLE[(request.method or "GET"):upper()] then
    return nil
  elseif answer and not LATER[answer.status] or not answer and code ~= "PEER"
    and code ~= "TIMEOUT" then
    return nil
  end
  local pause = math.min(FIRST_PAUSE * 2 ^ (round - 1), LAST_PAUSE) * (0.5 + math.random() / 2)
  local told = answer and tonumber(answer.headers["retry-after"] or "")
  return told and told > pause and math.min(told, 60) or pause
end

return ask
