-- SPDX-License-Identifier: MIT
-- The request that follows a redirect (RFC 9110 15.4), for groupcache.http.

local ask = require "groupcache.ask"

local redirect = {}

local MOVED = { [301] = true, [302] = true, [303] = true, [307] = true, [308] = true }

-- They are for the first server alone.
local SECRETS = { authorization = true, cookie = true, ["proxy-authorization"] = true }

-- Of a body that is not sent again.
local OF_BODY = { ["content-type"] = true, ["content-encoding"] = true }

local function split(url)
  local scheme, authority, rest = url:match("^(%a[%w+.-]*)://([^/?#]*)([^#]*)")
  if not scheme then
    return nil
  end
  local path, query = rest:match("^([^?]*)(.*)$")
  return scheme:lower(), authority, path, query
end

-- RFC 3986 5.2.4
local function without_dots(path)
  local out = {}
  for segment in path:gmatch("/([^/]*)") do
    if segment == ".." then
      out[#out] = nil
    elseif segment ~= "." then
      out[#out + 1] = segment
    end
  end
  if path:find("/%.%.?$") then
    out[#out + 1] = ""
  end
  return "/" .. table.concat(out, "/")
end

--- The URL that a Location names, which may be relative (RFC 3986 5.2.2). Without a fragment.
function redirect.resolve(base, location)
  location = location:gsub("#.*$", "")
  if split(location) then
    return location
  end
  local scheme, authority, path, query = split(base)
  if location:find("^//") then
    return scheme .. ":" .. location
  end
  local origin = scheme .. "://" .. authority
  if location == "" then
    return origin .. path .. query
  elseif location:find("^%?") then
    return origin .. path .. location
  end
  local to, behind = location:match("^([^?]*)(.*)$")
  if not to:find("^/") then
    to = (path:match("^(.*/)[^/]*$") or "/") .. to
  end
  return origin .. without_dots(to) .. behind
end

local function same_origin(a, b)
  local scheme, authority = split(a)
  local other_scheme, other_authority = split(b)
  return scheme == other_scheme and authority:lower() == other_authority:lower()
end

-- A copy of the headers, a table of names and values, without those that `dropped` has.
local function without(headers, dropped)
  local out = {}
  for name, value in pairs(headers or {}) do
    if not dropped[name:lower()] then
      out[name] = value
    end
  end
  return out
end

--- The request behind an answer.
-- @param request { url =, method =, headers = {}, body =, ... }
-- @param answer { status =, headers = { lower-case name = value } }
-- @return a copy of the request that follows; nil if the answer is no redirect; or nil, message
function redirect.next(request, answer)
  local location = MOVED[answer.status] and answer.headers.location
  if not location then
    return nil
  end
  local url = redirect.resolve(request.url, location)
  local scheme = split(url)
  if scheme ~= "http" and scheme ~= "https" then
    return nil, ("the redirect leads to %q, which is neither http:// nor https://"):format(
      ask.shown(url))
  end
  if scheme == "http" and split(request.url) == "https" then
    return nil, "the redirect leads from https:// to http://"
  end
  local following = {}
  for name, value in pairs(request) do
    following[name] = value
  end
  following.url = url
  local method = request.method or "GET"
  local becomes_get = answer.status == 303 and method ~= "HEAD"
    or (answer.status == 301 or answer.status == 302) and method == "POST"
  if becomes_get then
    following.method, following.body = nil, nil
    following.headers = without(following.headers, OF_BODY)
  end
  if not same_origin(request.url, url) then
    following.headers = without(following.headers, SECRETS)
  end
  return following
end

return redirect
