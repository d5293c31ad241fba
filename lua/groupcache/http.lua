-- SPDX-License-Identifier: MIT
-- groupcache.http: HTTP for getters. The exchange runs on the network thread. The getter waits, and
-- the other getters of its VM run.

local ask = require "groupcache.ask"
local core = require "groupcache.core"
local redirect = require "groupcache.redirect"
local units = require "groupcache.options"
local wait = require "groupcache.wait"

local http = {}

local FIELDS = {
  url = "string", method = "string", headers = "table", body = "string", timeout = "number",
  connect_timeout = "number", max_bytes = "number", ca_file = "string", insecure = "boolean",
  decode = "boolean", identity = "boolean",
  deny_private = "boolean", allow = "table", follow = "number",
  query = "table", json = "table", retries = "number", user_agent = "string",
  compressed = "boolean", as_value = "boolean", proxy = "string", cert_file = "string",
  key_file = "string",
}

local USER_AGENT = "groupcache/" .. core.version
local MOST_HEADERS = 100 -- EXCHANGE_HEADERS

local MOST_REDIRECTS = 20

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
  return ask.contradiction(request)
end

-- What is sent unless the request has such a header.
local function usual_headers(request)
  local agent = request.user_agent or USER_AGENT
  return { ["User-Agent"] = agent ~= "" and agent or nil,
    ["Accept-Encoding"] = request.compressed and core.codings() or nil }
end

-- { Accept = "text/html" } as { "Accept: text/html" }, with the usual ones.
local function header_lines(request)
  local lines, given = {}, {}
  for name, value in pairs(request.headers or {}) do
    if type(name) ~= "string" or (type(value) ~= "string" and type(value) ~= "number") then
      return nil, "headers are names and values"
    end
    lines[#lines + 1] = name .. ": " .. value
    given[name:lower()] = true
  end
  for name, value in pairs(usual_headers(request)) do
    if not given[name:lower()] and #lines < MOST_HEADERS then
      lines[#lines + 1] = name .. ": " .. value
    end
  end
  table.sort(lines)
  return lines
end

-- The networks that may be reached beside public addresses, as a text; nil: every address.
local function reach(request)
  local list = {}
  for i, network in ipairs(request.allow or {}) do
    local ok, err = core.check_network(network)
    if not ok then
      return nil, "allow: " .. err
    end
    list[i] = network
  end
  if request.allow and not request.deny_private then
    return nil, "allow is of use with deny_private = true only"
  end
  return request.deny_private and table.concat(list, ",") or nil
end

-- The request as the engine takes it; or nil, what is wrong.
local function prepare(request)
  local copy = {}
  for name, value in pairs(request) do
    copy[name] = DURATIONS[name] and type(value) == "string" and units.seconds(value) or value
  end
  local wrong = check(copy)
  if not wrong then
    copy.headers, wrong = header_lines(copy)
  end
  if not wrong then
    copy.reach, wrong = reach(copy)
  end
  if wrong then
    return nil, wrong
  end
  return copy
end

local function exchange(request)
  local op, err, code = core.fetch(prepare(request))
  if not op then
    return nil, err, code
  end
  wait.await(op, "http.request")
  return core.fetch_result(op, request.as_value)
end

-- Goes on with the requests that follow redirects, at most `left` of them.
local function follow(request, answer, left)
  local following, wrong = redirect.next(request, answer)
  while following do
    if left == 0 then
      wrong = ("more than %d redirects"):format(request.follow)
      break
    end
    left = left - 1
    local err, code
    request = following
    answer, err, code = exchange(request)
    if not answer then
      return nil, err, code
    end
    following, wrong = redirect.next(request, answer)
  end
  if wrong then
    return nil, ask.shown(request.url) .. ": " .. wrong, "PEER"
  end
  answer.url = request.url
  return answer
end

-- Sends the request once more, as long as `retries` allows and the answer asks for it.
local function again(request, retries, answer, err, code)
  for round = 1, retries do
    local pause = ask.pause(request, answer, code, round)
    if not pause then
      break
    end
    wait.await(core.sleep(pause), "http.request")
    answer, err, code = exchange(request)
  end
  if answer and request.follow then
    return follow(request, answer, request.follow)
  end
  return answer, err, code
end

-- Checks a request, for a function that the script calls: what is wrong raises at its caller.
-- @return the request as the engine takes it, as exchange() takes it, and its retries
local function ready(request)
  if type(request) ~= "table" then
    error(("http.request: the request is a %s, and must be a table"):format(type(request)), 3)
  end
  local most = request.follow
  if most ~= nil and not (type(most) == "number" and most % 1 == 0 and most >= 0
    and most <= MOST_REDIRECTS) then
    error(("http.request: follow is %s, and must be a whole number from 0 to %d"):format(
      tostring(most), MOST_REDIRECTS), 3)
  end
  local retries, wrong = ask.retries(request)
  local expanded, prepared
  if not wrong then
    expanded, wrong = ask.expand(request)
  end
  if not wrong then
    prepared, wrong = prepare(expanded)
  end
  if wrong then
    error("http.request: " .. wrong, 3)
  end
  return prepared, expanded, retries
end

-- Waits for the first exchange, which a function that the script calls has begun: the engine counts
-- the levels to our caller.
local function finish(op, expanded, retries)
  wait.await(op, "http.request")
  return again(expanded, retries, core.fetch_result(op, expanded.as_value))
end

-- The request of a URL with options.
local function with_url(who, url, options)
  if type(url) ~= "string" then
    error(("%s: the url is a %s, and must be a string"):format(who, type(url)), 3)
  end
  if options ~= nil and type(options) ~= "table" then
    error(("%s: the options are a %s, and must be a table"):format(who, type(options)), 3)
  end
  local request = {}
  for name, value in pairs(options or {}) do
    request[name] = value
  end
  request.url = url
  return request
end

--- One HTTP exchange. Follows no redirect by itself; any status is an answer.
-- @param request { url =, method = "GET", headers = {}, body =, timeout = seconds (at most the
--   rest of the getter's own), connect_timeout = 1, max_bytes = the group's max_value_bytes,
--   ca_file =, cert_file =, key_file =, insecure = false, decode = true, compressed = false,
--   as_value = false (true: the body is bytes outside of the VM, to be returned by the getter),
--   user_agent = "groupcache/VERSION", proxy = "http://host:port", follow = redirects at most [0],
--   deny_private = false, allow = { networks that deny_private does not deny },
--   query = { name = value or list }, json = a table to send, retries = times at most [0] }
-- @return { status =, headers = { lower-case name = value }, body =, url = with follow }; or nil,
--   message, code
function http.request(request)
  local prepared, expanded, retries = ready(request)
  local op, err, code = core.fetch(prepared)
  if not op then
    return nil, err, code
  end
  return finish(op, expanded, retries)
end

--- A GET.
-- @param url http:// or https://
-- @param options optional, as http.request's
function http.get(url, options)
  local prepared, expanded, retries = ready(with_url("http.get", url, options))
  local op, err, code = core.fetch(prepared)
  if not op then
    return nil, err, code
  end
  return finish(op, expanded, retries)
end

local Stream = {}
Stream.__index = Stream
Stream.__name = "groupcache.http.stream"

-- The bytes that no line has taken yet: those of `rest` from `at` on.
local function take_rest(self)
  local bytes = self.rest:sub(self.at)
  self.rest, self.at = "", 1
  return bytes
end

--- The bytes of the body that have arrived since the last call; waits for some.
-- @return bytes; nothing at the end; or nil, message, code
function Stream:read()
  if self.at <= #self.rest then
    return take_rest(self)
  end
  while true do
    wait.await(self.raw:more(), "stream:read")
    local bytes, status, code = self.raw:take()
    if not bytes then
      return nil, status, code
    end
    self.status = status
    if bytes ~= "" then
      return bytes
    end
  end
end

--- The next line of the body, without its end; waits for it. The last line needs no end.
-- @return line; nothing at the end; or nil, message, code. TOOBIG: it has more than max_bytes
function Stream:line()
  local parts, size = {}, 0
  while true do
    local feed = self.rest:find("\n", self.at, true)
    if feed then
      parts[#parts + 1] = self.rest:sub(self.at, feed - 1)
      self.at = feed + 1
      return (table.concat(parts):gsub("\r$", ""))
    end
    local part = take_rest(self)
    parts[#parts + 1], size = part, size + #part
    if size > self.most then
      return nil, ("a line of the stream has more than %d bytes, max_bytes"):format(self.most),
        "TOOBIG"
    end
    local bytes, err, code = self:read()
    if err then
      return nil, err, code
    elseif not bytes then
      return size > 0 and table.concat(parts) or nil
    end
    self.rest = bytes
  end
end

--- Ends the exchange. A second call does nothing.
function Stream:close()
  self.raw:close()
end

--- An HTTP exchange that gives the body of its answer while it arrives.
-- @param request as http.request's, without follow and decode; max_bytes bounds what has arrived
--   and was not read
-- @return stream, with `status` once the first bytes were read; or nil, message, code
function http.stream(request)
  if type(request) ~= "table" then
    error(("http.stream: the request is a %s, and must be a table"):format(type(request)), 2)
  end
  local expanded, wrong = ask.expand(request)
  local prepared
  if expanded then
    prepared, wrong = prepare(expanded)
  end
  if not prepared then
    error("http.stream: " .. wrong, 2)
  elseif request.follow ~= nil or request.decode ~= nil or request.compressed
    or request.as_value then
    error("http.stream: a stream follows no redirects, decodes nothing and is no value", 2)
  elseif request.retries ~= nil then
    error("http.stream: a stream is not sent again, so retries is of no use", 2)
  end
  local raw, most, code = core.stream(prepared)
  if not raw then
    return nil, most, code
  end
  return setmetatable({ raw = raw, most = most, rest = "", at = 1 }, Stream)
end

--- A value of a server that speaks JSON.
-- @param options optional, as http.request's
-- @return the decoded body of a 2xx answer; or nil, message, code: NOTFOUND for 404 and 410, PEER
--   for other statuses
function http.json(url, options)
  local prepared, expanded, retries = ready(with_url("http.json", url, options))
  local op, answer, err, code
  op, err, code = core.fetch(prepared)
  if op then
    answer, err, code = finish(op, expanded, retries)
  end
  if not answer then
    return nil, err, code
  elseif answer.status == 404 or answer.status == 410 then
    return nil, ("%s: status %d"):format(ask.shown(url), answer.status), "NOTFOUND"
  elseif answer.status < 200 or answer.status > 299 then
    return nil, ("%s: status %d"):format(ask.shown(url), answer.status), "PEER"
  end
  local value, wrong = core.decode(tostring(answer.body), "json")
  if value == nil then
    return nil, ("%s: the body is no JSON: %s"):format(ask.shown(url), tostring(wrong)), "PEER"
  end
  return value
end

--- Percent-encodes bytes as one path segment: everything but A-Z a-z 0-9 - . _ ~.
function http.escape(bytes)
  if type(bytes) ~= "string" then
    error(("http.escape: a %s, and must be a string"):format(type(bytes)), 2)
  end
  return core.escape(bytes)
end

--- The options of a group that is a shared HTTP cache in front of an origin (RFC 9111).
-- @param origin "http://host:port"
-- @param given optional: docs/http-cache.md
-- @return a table for groupcache.group()
function http.cache(origin, given)
  local made = require("groupcache.http_cache")(origin, given) -- no tail call: lines count
  return made
end

return http
