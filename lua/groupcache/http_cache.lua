-- SPDX-License-Identifier: MIT
-- groupcache.http.cache: the options of a group that is a shared HTTP cache in front of an origin
-- (RFC 9111). docs/design/http-cache.md says which part of the work is done here, in the getter,
-- and which in src/http/serve_web.c.

local core = require "groupcache.core"
local directives = require "groupcache.http_cache.directives"
local headers = require "groupcache.http_cache.headers"
local message = require "groupcache.http_cache.message"
local names = require "groupcache.names"
local options = require "groupcache.options"
local redirect = require "groupcache.redirect"
local rules = require "groupcache.http_cache.rules"
local schema = require "groupcache.schema"
local shown = require("groupcache.ask").shown
local wait = require "groupcache.wait"

local OWN = {
  heuristic = { kind = "share", default = 0.1 },
  heuristic_max = { kind = "duration", default = 24 * 3600 },
  keep = { kind = "duration", default = 3600 },
  stale_while_revalidate = { kind = "duration", default = 0 },
  stale_if_error = { kind = "duration", default = 0 },
  obey_requests = { kind = "boolean", default = true },
  cache_status = { kind = "boolean", default = false },
  connect_timeout = { kind = "duration", default = 1 },
  ca_file = { kind = "text" },
  host = { kind = "text" },
}

-- Options of a group that would contradict what it does.
local TAKEN = { getter = true, query = true, codec = true, content_type = true, ttl = true,
  ttl_jitter = true, negative_ttl = true, pass_headers = true, http = true,
  getter_many = true, refresh_ahead = true, vary = true, key = true, keep_old = true,
  compress = true }

local REQUEST = "x-groupcache-request" -- HTTPMSG_REQUEST

-- What a load that fills the cache does not pass on: it asks for the whole, whatever one client
-- has.
local OF_ONE_CLIENT = { ["if-none-match"] = true, ["if-modified-since"] = true, range = true,
  ["if-range"] = true }

local KEYED = message.KEYED
local TO_CLIENT = { host = true, [KEYED] = true }

-- The client's; the exchange is a span of its own, which core.fetch() adds.
local OF_TRACE = { traceparent = true, tracestate = true }

local TIMEOUT = 10 -- seconds, of a load: origins that make pages are slower than other sources
local SHARE = 0.9 -- of the load's time that the origin has: the rest is for what stands in
local MOST_HEADERS = 100 -- EXCHANGE_HEADERS
local OF_ORIGIN = { PEER = true, TIMEOUT = true } -- other codes say nothing about the origin
local FAILED_IN_A_ROW = 10
local PAUSE_FIRST, PAUSE_MAX = 1, 30 -- seconds, as a stale value's in cache/group_stale.c

-- The request that a getter works for. Without one, a plain GET.
local function request_of(ctx)
  local line = ctx.headers and ctx.headers[REQUEST]
  if not line then
    return { method = "GET", id = ("0"):rep(16), headers = {} }
  end
  local text = line:gsub("%%0A", "\n"):gsub("%%25", "%%")
  local method, id, rest = text:match "^(%S+) (%x+)\n(.*)$"
  local list = {}
  for name, value in rest:gmatch "([^:\n]+): ([^\n]*)\n" do
    list[#list + 1] = { name:lower(), value }
  end
  local via = headers.get(list, "x-forwarded-for") -- the client's, and the node's word: one line
  list = via and headers.update(list, { { "x-forwarded-for", via } }) or list
  return { method = method, id = id, headers = list, body = ctx.body }
end

-- The interim answers (1xx) of an exchange, without headers of the connection; or nil.
local function interim_of(op)
  local out, list = {}, nil
  local function close()
    for _, h in ipairs(headers.end_to_end(list or {})) do
      out[#out + 1] = h[1] .. ": " .. h[2]
    end
  end
  for line in core.fetch_interim(op):gmatch "[^\n]+" do
    local name, value = line:match "^([^:]+): (.*)$"
    if name then
      list[#list + 1] = { name:lower(), value }
    else -- a status begins the next answer
      close()
      out[#out + 1], list = (list and "\n" or "") .. line, {}
    end
  end
  close()
  return out[1] and table.concat(out, "\n") .. "\n"
end

-- Only these conditions may have 304 as the answer (RFC 9110, 13.2.1).
local function has_condition(list)
  return headers.get(list, "if-none-match") or headers.get(list, "if-modified-since")
end

-- One exchange with the origin. A 304 that nobody asked for is a failure: a client would take it
-- for a word on what it has itself.
-- @return { status =, headers = list, body =, asked_s =, now_s =, interim = text or nil }; or nil,
--   message, code
local function exchange(o, ctx, method, path, list, body)
  local lines = {}
  for i, h in ipairs(ctx.traceparent and headers.without(list, OF_TRACE) or list) do
    lines[i] = h[1] .. ": " .. h[2]
  end
  lines[#lines + 1] = "via: 1.1 groupcache" -- RFC 9110, 7.6.3
  if o.host then -- else libcurl writes that of the origin
    lines[#lines + 1] = "host: " .. o.host
  end
  if #lines > MOST_HEADERS then
    return nil, ("the request has %d headers, and may have %d"):format(#lines, MOST_HEADERS),
      "TOOBIG"
  end
  local asked_s = os.time()
  local op, err, code = core.fetch { url = o.origin .. path, method = method, headers = lines,
    body = body, decode = false, any_coding = true, interim = true,
    timeout = math.max((ctx.deadline - core.now()) * SHARE, 0.01),
    connect_timeout = o.connect_timeout, ca_file = o.ca_file }
  if not op then
    return nil, err, code
  end
  wait.await(op, "http.cache")
  local answer
  answer, err, code = core.fetch_result(op)
  if not answer then
    return nil, err, code
  elseif answer.status == 304 and not has_condition(list) then
    return nil, "the origin has answered 304 to a request without If-None-Match and "
      .. "If-Modified-Since", "PEER"
  end
  local out = headers.end_to_end(headers.from_flat(core.fetch_headers(op)))
  local now_s = os.time()
  if not headers.get(out, "date") then -- RFC 9110, 6.6.1
    out[#out + 1] = { "date", os.date("!%a, %d %b %Y %H:%M:%S GMT", now_s) }
  end
  return { status = answer.status, headers = out, body = answer.body, asked_s = asked_s,
    now_s = now_s, interim = interim_of(op) }
end

-- --- a load that fills the cache ---

-- What is kept under a key at this node, if it is of the request's variant.
local function kept_of(ctx, request)
  local bytes = core.peek(ctx.group, ctx.key)
  local kept = bytes and message.read(bytes)
  if not kept then
    return nil, nil
  end
  local ttl = core.ttl(ctx.group, ctx.key) or 0
  kept.bytes, kept.ttl = bytes, ttl
  kept.stale_s = kept.keep - ttl
  return kept, message.is_of(kept, request.headers)
end

local function conditions(list, kept)
  local etag = headers.get(kept.headers, "etag")
  local modified = headers.get(kept.headers, "last-modified")
  if etag then
    list[#list + 1] = { "if-none-match", etag }
  end
  if modified then
    list[#list + 1] = { "if-modified-since", modified }
  end
  return etag or modified
end

-- A kept message in place of an error, as it is.
local function stand_in(o, kept, same_variant, disconnected, request)
  local control = directives.parse(headers.get(request.headers, "cache-control") or "")
  local asked_sie = o.obey_requests and directives.seconds(control["stale-if-error"]) or nil
  if kept and same_variant and kept.ttl > 0 and not (o.obey_requests and control["no-cache"])
    and rules.may_stand_in(kept, disconnected, asked_sie, o) then
    return kept.bytes, kept.ttl
  end
end

-- RFC 9111, 4.3.4: a strong tag of another content does not confirm the kept one.
local function confirms(answer, kept)
  local new, old = headers.get(answer.headers, "etag"), headers.get(kept.headers, "etag")
  return not (new and old) or new:gsub("^W/", "") == old:gsub("^W/", "")
end

local function finish(o, request, answer, epoch)
  local fact = rules.judge(answer, {
    authorized = headers.get(request.headers, "authorization") ~= nil,
    asked_s = answer.asked_s, now_s = answer.now_s }, o)
  local bytes, ttl = message.write(answer, fact, { id = request.id, epoch = epoch,
    vary = message.vary(answer.headers, request.headers) })
  return bytes, nil, ttl
end

-- The answer of the origin, confirmed or new.
local function ask(o, ctx, path, request, kept)
  local plain = headers.without(headers.without(request.headers, OF_ONE_CLIENT), TO_CLIENT)
  local list = headers.without(plain, {})
  local conditional = kept and conditions(list, kept)
  local answer, err, code = exchange(o, ctx, "GET", path, list)
  if not answer or answer.status ~= 304 or not conditional then
    return answer, err, code
  end
  if not confirms(answer, kept) then
    return exchange(o, ctx, "GET", path, plain)
  end
  answer.status, answer.body = kept.status, kept.body
  answer.headers = headers.update(kept.headers, answer.headers)
  return answer
end

-- If the last exchanges have all failed, the origin is down, and is not asked again at once where a
-- kept message can stand in.
local function note_outage(o, failed)
  o.failed = failed and (o.failed or 0) + 1 or 0
  if o.failed < FAILED_IN_A_ROW then
    o.pause, o.until_s = nil, nil
    return
  end
  o.pause = math.min((o.pause or PAUSE_FIRST / 2) * 2, PAUSE_MAX)
  o.until_s = core.now() + o.pause
end

local function fill(o, ctx, path, request)
  local kept, same_variant = kept_of(ctx, request)
  if o.until_s and core.now() < o.until_s then
    local bytes, ttl = stand_in(o, kept, same_variant, true, request)
    if bytes then
      return bytes, nil, ttl
    end
  end
  local answer, err, code = ask(o, ctx, path, request, same_variant and kept or nil)
  if not answer or answer.status >= 500 then
    if answer or OF_ORIGIN[code] then
      note_outage(o, not answer)
    end
    local bytes, ttl = stand_in(o, kept, same_variant, not answer, request)
    if bytes then
      return bytes, nil, ttl
    elseif not answer then
      -- RFC 9111, 5.2.2.2: in place of a message that may not be used stale, 504.
      return nil, err, kept and kept.strict and "TIMEOUT" or code
    end
  else
    note_outage(o, false)
  end
  return finish(o, request, answer, kept and kept.epoch or request.id)
end

-- --- a request for itself alone ---

local function authority(url)
  return (url:match "^%a+://([^/?#]*)" or ""):lower()
end

-- The key of a URL that an answer names, if it is of the same origin (RFC 9111, 4.4).
local function key_of(o, path, request, url)
  local whole = redirect.resolve(o.origin .. path, url)
  local of = authority(whole)
  if of ~= authority(o.origin) and of ~= (headers.get(request.headers, "host") or ""):lower() then
    return nil
  end
  local key = whole:match "^%a+://[^/?#]*([^#]*)"
  return key:sub(1, 1) == "/" and key or "/" .. key
end

local function change(ctx, what, keys, value, ttl)
  local op = core.change(ctx.group, what, keys, value, ttl and ttl * 1000, "http.cache")
  wait.await(op, "http.cache")
  local ok, err = core.change_result(op)
  if not ok then
    core.log("warn", "an HTTP cache could not change all nodes", ("group=%s url=%s error=%s")
      :format(core.quote(ctx.group), core.quote(keys[1]), core.quote(tostring(err))))
  end
end

local SAFE = { GET = true, HEAD = true, OPTIONS = true, TRACE = true }

local function invalidate(o, ctx, path, request, answer)
  local keys = { path }
  for _, name in ipairs { "location", "content-location" } do
    local url = headers.get(answer.headers, name)
    keys[#keys + 1] = url and key_of(o, path, request, url) or nil
  end
  change(ctx, "remove", keys)
end

-- RFC 9110, 9.3.3: the answer to a POST may answer GETs if it says so.
local function keep_post(o, ctx, path, request, answer)
  local place = headers.get(answer.headers, "content-location")
  local control = rules.control(answer.headers)
  local _, told = rules.lifetime(answer.status, answer.headers, control, false, answer.now_s, o)
  if request.method ~= "POST" or answer.status ~= 200 or not told or not place
    or key_of(o, path, request, place) ~= path or headers.get(answer.headers, "vary") then
    return
  end
  local bytes, _, ttl = finish(o, request, answer, request.id)
  if ttl > 0 then
    change(ctx, "set", { path }, bytes, ttl)
  end
end

local ONCE = { life = 0, age = 0, keep = 0, swr = 0, check = false, strict = false, once = {},
  store = false }

local function pass(o, ctx, path, request)
  local method = request.method == "HEAD" and "GET" or request.method
  local list = headers.without(request.headers, TO_CLIENT)
  local answer, err, code = exchange(o, ctx, method, path, list, request.body)
  if not answer then
    return nil, err, code
  end
  if not SAFE[method] and answer.status >= 200 and answer.status < 400 then
    invalidate(o, ctx, path, request, answer)
    keep_post(o, ctx, path, request, answer)
  end
  return message.write(answer, ONCE, { id = request.id, epoch = request.id, vary = {} }), nil, 0
end

-- Peers and scripts may ask for any key. A key that is no path would be a part of the origin's name
-- in the URL: "@host/" would be another server. It is no failure of the origin, either.
-- @return whether it can stand behind the origin
local function is_path(text)
  return text:find "^/" and not text:find "[%z\1-\32\127]"
end

local function getter_of(o)
  return function(key, ctx)
    local request = request_of(ctx)
    local passed = key:match "^pass:%x+ (.*)$" -- PASS of serve_web.c
    local path = passed or key:match "^[^\1]*"
    if not is_path(path) then
      return nil, "the keys of an HTTP cache are paths that begin with a slash, without a space or "
        .. "a control byte", "NOTFOUND"
    elseif passed then
      return pass(o, ctx, path, request)
    end
    return fill(o, ctx, path, request)
  end
end

-- Whether a name is one of OWN, or was probably meant to be: then the check of OWN judges it.
-- All others are left to groupcache.group().
local function is_own(name)
  return OWN[name] or not schema[name] and type(name) == "string"
    and names.hint(OWN, name, tostring) ~= ""
end

--- The options of a group that is an HTTP cache.
-- @param origin "http://host:port", perhaps with a path that goes before each request's
-- @param given optional: its own options, and those of a group
-- @return a table for groupcache.group()
return function(origin, given)
  if type(origin) ~= "string" or not origin:find "^https?://[^/?#%s]+[^?#%s]*$" then
    error(("http.cache: the origin is %s, and must be a URL like http://host:port"):format(
      type(origin) == "string" and ("%q"):format(shown(origin)) or origin == nil and "nil"
      or "a " .. type(origin)), 3)
  end
  if given ~= nil and type(given) ~= "table" then
    error(("http.cache: the options are a %s, and must be a table"):format(type(given)), 3)
  end
  local own, of_group = {}, {}
  for name, value in pairs(given or {}) do
    if TAKEN[name] then
      error(("http.cache: %s is no option of an HTTP cache: the origin and its answers "
        .. "decide")
        :format(name), 3)
    end
    (is_own(name) and own or of_group)[name] = value
  end
  local o, wrong = options.check(OWN, own, "http.cache")
  if not o then
    error(wrong, 3)
  end
  for name, rule in pairs(OWN) do
    o[name] = o[name] and (rule.kind == "duration" or rule.kind == "share") and o[name] / 1000
      or o[name]
  end
  o.origin = origin:gsub("/+$", "")
  of_group.http = { obey = o.obey_requests, status = o.cache_status }
  of_group.getter = getter_of(o)
  of_group.timeout = of_group.timeout or TIMEOUT
  return of_group
end
