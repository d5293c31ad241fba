-- SPDX-License-Identifier: MIT

--- Runs cases of caching against nodes with an HTTP cache, in the manner of the public suite
-- http-tests/cache-tests, by which the cases are named.
--
--   local origin = suite.origin()            a programmable origin; origin:stop()
--   suite.run(cases, bases) -> { id = true, or what went wrong }
--     `bases` are base URLs of caches. The requests of a case go to them in turn.
--
-- A case is { id =, requests }, and a request has
--   method, headers = { { name, value }, ... }, body, file, query   of the request
--   status, res = { { name, value }, ... }, text, drop = true       of the origin's answer to it
--   type = "cached" | "not_cached" | "etag" | "lm"                  who answers; checked with whom
--   expect_status, missing = { name }, expect_text                  false: not looked at
--   expect = { { name, value }, { name, ">", n }, { name } }        { name }: any value
--   sent = { { name, value } }, seen_as = method                    what the origin must get
--   interim = { { status, headers }, ... }                          and its client, before the rest
--   wait = seconds                                                  the origin waits before it
--   ends = true                                                     and then ends the connection
--   places = true                                                   Location and the like are paths
--   pause = true                                                    3 s behind it
--   setup = true                                                    it is no part of the question
-- Each header of `res` must come to the client, but a { name, value, false } and a Date. A number
-- as a date is in seconds from when the origin answers; as that of If-Modified-Since, from the
-- answer before.

local cjson = require "cjson"
local fake = require "node.fake"
local http = require "support.http"

local suite = {}

local ORIGIN = [==[
local cjson = require "cjson"
local socket = require "socket"
local configs, states, modified_of = {}, {}, {}

local DATES = { date = true, expires = true, ["last-modified"] = true }
local PLACES = { location = true, ["content-location"] = true }

local function http_date(at)
  return os.date("!%a, %d %b %Y %H:%M:%S GMT", at)
end

local function put(c, status, lines, body)
  table.insert(lines, 1, ("HTTP/1.1 %d X"):format(status))
  if status ~= 204 and status ~= 304 and not table.concat(lines, "\n"):find "\nTransfer%-Encoding:"
    and not table.concat(lines, "\n"):lower():find "\ncontent%-length:" then
    lines[#lines + 1] = "Content-Length: " .. #body
  end
  c:send(table.concat(lines, "\r\n") .. "\r\n\r\n"
    .. (status ~= 204 and status ~= 304 and body or ""))
end

local function get(list, name)
  for _, h in ipairs(list or {}) do
    if h[1]:lower() == name then return h[2] end
  end
end

local function put_interim(c, status, list)
  local lines = { ("HTTP/1.1 %d X"):format(status) }
  for _, h in ipairs(list) do lines[#lines + 1] = h[1] .. ": " .. h[2] end
  c:send(table.concat(lines, "\r\n") .. "\r\n\r\n")
end

local function numbers(state)
  local out = {}
  for i, seen in ipairs(state) do out[i] = seen.number end
  return table.concat(out, " ")
end

-- What the client must get: all values of a name. One that is not to be looked at ends that.
local function note_sent(sent, name, value)
  local before = sent[name]
  if name ~= "date" and before ~= false then
    sent[name] = value and (before and before .. ", " .. value or value)
  end
end

local function answer(request, c, id)
  local config, state = configs[id], states[id]
  local number = tonumber(request.headers["req-num"])
  local step, before = config[number], config[number - 1]
  local now, status = os.time(), step.status or 200
  if step.type == "etag" or step.type == "lm" then
    local etag, modified = get(before.res, "etag"), modified_of[id]
    local same = etag and request.headers["if-none-match"] == etag
      or modified and request.headers["if-modified-since"] == modified
    status = same and 304 or 999
  end
  local path = request.target:gsub("?.*", "")
  state[#state + 1] = { number = number, method = request.method, headers = request.headers,
    sent = {} }
  local lines = { "Server-Request-Count: " .. #state, "Client-Request-Count: " .. number,
    "Server-Now: " .. now, "Request-Numbers: " .. numbers(state) }
  for _, h in ipairs(step.res or {}) do
    local name, value = h[1]:lower(), h[2]
    if DATES[name] and type(value) == "number" then
      value = http_date(now + value)
    elseif PLACES[name] and step.places then
      value = value == "" and path or path .. "/" .. value
    end
    if name == "last-modified" then modified_of[id] = value end
    lines[#lines + 1] = h[1] .. ": " .. value
    note_sent(state[#state].sent, name, h[3] ~= false and value)
  end
  if not get(step.res, "content-type") then lines[#lines + 1] = "Content-Type: text/plain" end
  if not get(step.res, "date") then lines[#lines + 1] = "Date: " .. http_date(now) end
  if step.wait then c:sleep(step.wait) end
  if step.drop then return c:close() end
  for _, one in ipairs(step.interim or {}) do put_interim(c, one[1], one[2]) end
  put(c, status, lines, step.text or id)
  if step.ends then c:close() end
end

return function(request, c)
  local kind, id = request.target:match "^/(%a+)/([%w-]+)"
  if kind == "config" then
    configs[id], states[id] = cjson.decode(request.body), {}
    put(c, 201, {}, "")
  elseif kind == "state" then
    put(c, 200, {}, cjson.encode(states[id]))
  elseif kind == "test" and configs[id] then
    answer(request, c, id)
  else
    put(c, 404, {}, "")
  end
end
]==]

function suite.origin()
  return fake.start(ORIGIN)
end

local DATES = { ["if-modified-since"] = true }

local function http_date(at, form)
  return os.date(form == "rfc850" and "!%A, %d-%b-%y %H:%M:%S GMT"
    or "!%a, %d %b %Y %H:%M:%S GMT", at)
end

-- before: the answer to the request before.
local function headers_of(case, step, number, before)
  local out = { { "Pragma", "foo" }, { "Cache-Control", "nothing-to-see-here" },
    { "Test-ID", case.id }, { "Req-Num", tostring(number) } }
  for _, h in ipairs(step.headers or {}) do
    local value = h[2]
    if DATES[h[1]:lower()] and type(value) == "number" then
      value = http_date(tonumber(before.headers["server-now"]) + value, step.form)
    end
    out[#out + 1] = { h[1], value }
  end
  return out
end

local function check(ok, number, text, ...)
  if not ok then
    error({ ("request %d: " .. text):format(number, ...) }, 0)
  end
end

local function check_headers(step, res, number)
  for _, h in ipairs(step.expect or {}) do
    local name, wanted = h[1]:lower(), h[2]
    local value = res.headers[name]
    if type(wanted) == "number" then
      wanted = http_date(tonumber(res.headers["server-now"]) + wanted)
    end
    if wanted == nil then
      check(value, number, "%s is missing", h[1])
    elseif wanted == ">" then
      check((tonumber(value) or -1) > h[3], number, "%s is %s, not above %d", h[1],
        tostring(value), h[3])
    else
      check(value == wanted, number, "%s is %q, not %q (Cache-Status %s)", h[1],
        tostring(value), wanted, tostring(res.headers["cache-status"]))
    end
  end
  for _, name in ipairs(step.missing or {}) do
    check(res.headers[name:lower()] == nil, number, "%s is there", name)
  end
end

local function check_interim(step, res, number)
  for i, one in ipairs(step.interim or {}) do
    local got = (res.interim or {})[i]
    check(got and got.status == one[1], number, "interim answer %d is %s, not %d", i,
      tostring(got and got.status), one[1])
    for _, h in ipairs(one[2]) do
      check(got.headers[h[1]:lower()] == h[2], number, "%s of interim answer %d is %s", h[1], i,
        tostring(got.headers[h[1]:lower()]))
    end
  end
end

-- A node that repeats a request must not go unseen.
local function check_repeats(res, number)
  local seen = {}
  for text in (res.headers["request-numbers"] or ""):gmatch "%d+" do
    check(not seen[text], number, "request %s came to the origin twice", text)
    seen[text] = true
  end
end

local NO_BODY = { [204] = true, [304] = true }

local function check_answer(id, step, res, number)
  local count = tonumber(res.headers["server-request-count"])
  check_repeats(res, number)
  if step.type == "cached" then
    check(res.status == 304 and not count or count and count < number, number,
      "the cache has not answered, status %d", res.status)
  elseif step.type == "not_cached" then
    check(count == number, number, "the cache has answered, status %d (Cache-Status %s, %s)",
      res.status, tostring(res.headers["cache-status"]), tostring(count))
  end
  if step.expect_status ~= false then
    local expected = step.expect_status or step.status or 200
    check(res.status == expected, number, "status %d, not %d", res.status, expected)
  end
  check_headers(step, res, number)
  check_interim(step, res, number)
  if step.expect_text ~= false and not NO_BODY[res.status] and step.method ~= "HEAD" then
    local expected = step.expect_text or step.text or id
    check(res.body == expected, number, "body %q, not %q", res.body, expected)
  end
end

local VALIDATORS = { etag = "if-none-match", lm = "if-modified-since" }

-- Another status is of an answer that the cache has kept.
local function check_sent(got, res, number)
  for name, value in pairs(got and got.number == number and got.sent or {}) do
    check(not value or res.headers[name] == value, number, "%s is %q, and %q was sent", name,
      tostring(res.headers[name]), tostring(value))
  end
end

local function check_state(steps, state, answers)
  local at = 1
  for number, step in ipairs(steps) do
    if step.type ~= "cached" then
      local got = state[at]
      at = at + 1
      local validator = VALIDATORS[step.type]
      if step.type == "not_cached" then
        check(got and got.number == number, number, "the origin has not seen it")
      end
      if validator then
        check(got and got.headers[validator], number, "no %s was sent", validator)
      end
      check(not step.seen_as or got and got.method == step.seen_as, number,
        "the origin got a %s", tostring(got and got.method))
      check_sent(got, answers[number], number)
      for _, h in ipairs(step.sent or {}) do
        check(got and got.headers[h[1]:lower()] == h[2], number, "the origin got %s %s", h[1],
          tostring(got and got.headers[h[1]:lower()]))
      end
    end
  end
end

local function ask(base, request)
  request.url = base .. request.path
  request.timeout = 10
  return assert(http.request(request))
end

local function run_case(case, bases, at)
  local id = ("%s-%06x"):format(case.id:gsub("[^%w]", "-"), math.random(0, 0xffffff))
  local base = function(i) return bases[(at + i) % #bases + 1] end
  local steps, answers = case.requests, {}
  ask(base(0), { path = "/config/" .. id, method = "PUT", body = cjson.encode(steps) })
  for number, step in ipairs(steps) do
    local path = "/test/" .. id .. (step.file and "/" .. step.file or "")
      .. (step.query and "?" .. step.query or "")
    local res = ask(base(number), { path = path, method = step.method or "GET",
      body = step.body, headers = headers_of(case, step, number, answers[number - 1]) })
    answers[number] = res
    check_answer(id, step, res, number)
    if step.pause then
      http.pause(3)
    end
  end
  local res = ask(base(0), { path = "/state/" .. id })
  check_state(steps, cjson.decode(res.body), answers)
end

function suite.run(cases, bases)
  local results, runs = {}, {}
  for at, case in ipairs(cases) do
    runs[at] = function()
      local ok, err = pcall(run_case, case, bases, at)
      assert(ok or type(err) == "table", err)
      assert(results[case.id] == nil, case.id)
      results[case.id] = ok or err[1]
    end
  end
  http.together(runs)
  return results
end

return suite
