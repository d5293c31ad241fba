-- SPDX-License-Identifier: MIT
-- groupcache.http: HTTP for getters. The exchange runs on the network thread. The getter waits, and
-- the other getters of its VM run.

local core = require "groupcache.core"
local units = require "groupcache.options"
local wait = require "groupcache.wait"

local http = {}

local FIELDS = {
  url = "string", method = "string", headers = "table", body = "string", timeout = "number",
  connect_timeout = "number", max_bytes = "number", ca_file = "string", insecure = "boolean",
  decode = "boolean",
}

local DURATIONS = { timeout = true, connect_timeout = true }

local function check(request)
  for name, value in pairs(request) do
    local expected = FIELDS[name]
    if not expected then
      return ("unknown field %q"):format(tostring(name))
    end
    if type(value) ~= expected then
      return ("%s is a %s, and must be a %s"):format(name, type(value), expected)
    end
  end
  if not request.url then
    return "url is missing"
  end
end

-- { Accept = "text/html" } as { "Accept: text/html" }
local function header_lines(headers)
  local lines = {}
  for name, value in pairs(headers or {}) do
    if type(name) ~= "string" or (type(value) ~= "string" and type(value) ~= "number") then
      return nil, "headers are names and values"
    end
    lines[#lines + 1] = name .. ": " .. value
  end
  table.sort(lines)
  return lines
end

--- One HTTP exchange. Follows no redirect; any status is an answer.
-- @param request { url =, method = "GET", headers = {}, body =, timeout = seconds (at most the
--   rest of the getter's own), connect_timeout = 1, max_bytes = the group's max_value_bytes,
--   ca_file =, insecure = false, decode = true }
-- @return { status =, headers = { lower-case name = value }, body = }; or nil, message, code
function http.request(request)
  if type(request) ~= "table" then
    error(("http.request: the request is a %s, and must be a table"):format(type(request)), 2)
  end
  local copy = {}
  for name, value in pairs(request) do
    copy[name] = DURATIONS[name] and type(value) == "string" and units.seconds(value) or value
  end
  local wrong, lines = check(copy), nil
  if not wrong then
    lines, wrong = header_lines(copy.headers)
  end
  if wrong then
    error("http.request: " .. wrong, 2)
  end
  copy.headers = lines
  local op, err, code = core.fetch(copy)
  if not op then
    return nil, err, code
  end
  wait.await(op, "http.request")
  return core.fetch_result(op)
end

--- A GET.
-- @param url http:// or https://
-- @param options optional, as http.request's
function http.get(url, options)
  if type(url) ~= "string" then
    error(("http.get: the url is a %s, and must be a string"):format(type(url)), 2)
  end
  if options ~= nil and type(options) ~= "table" then
    error(("http.get: the options are a %s, and must be a table"):format(type(options)), 2)
  end
  local request = {}
  for name, value in pairs(options or {}) do
    request[name] = value
  end
  request.url = url
  return http.request(request)
end

--- Percent-encodes bytes as one path segment: everything but A-Z a-z 0-9 - . _ ~.
function http.escape(bytes)
  if type(bytes) ~= "string" then
    error(("http.escape: a %s, and must be a string"):format(type(bytes)), 2)
  end
  return core.escape(bytes)
end

return http
