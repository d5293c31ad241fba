-- SPDX-License-Identifier: MIT
-- groupcache.cli.values: groupcached get, put, rm and flush, by a node's clients' face.

local client = require "groupcache.cli.client"
local json = require "groupcache.cli.json"

local values = {}

local STATUS = client.STATUS

-- Says what went wrong. -> the exit status
local function failed(options, request, message, code, status)
  if options.json then
    json.print { group = request.group, key = request.key or request.of, error = message,
      code = code }
  else
    client.complain(message)
  end
  return status
end

-- One exchange about a group or a key. `of` is a key that is not in the URL. -> the answer; or nil,
-- the exit status
local function send(options, request)
  local answer, message, code = client.new(options):send {
    url = options.node:gsub("/+$", "") .. client.path("/cache/", request.group, request.key),
    method = request.method, headers = request.headers, body = request.body,
  }
  if not answer then
    return nil, failed(options, request, message, code, STATUS.AWAY)
  end
  if answer.status >= 300 then
    local text, its_code = client.words_of(answer)
    return nil, failed(options, request, text, its_code, STATUS.FAILED)
  end
  return answer
end

local function is_terminal()
  local ffi = require "ffi"
  pcall(ffi.cdef, "int isatty(int fd);")
  return ffi.C.isatty(1) == 1
end

-- The value goes to stdout as it is, and nothing else does.
function values.get(options, rest)
  local answer, status = send(options, { group = rest[1], key = rest[2] })
  if not answer then
    return status
  end
  local h = answer.headers
  local age = tonumber(h.age) or 0
  local max_age = tonumber((h["cache-control"] or ""):match "max%-age=(%d+)")
  local left = max_age and math.max(0, max_age - age)
  if options.json then
    json.print { group = rest[1], key = rest[2], value = answer.body, source = h["x-cache"],
      ttl = left, age = age, content_type = h["content-type"] }
    return STATUS.FINE
  end
  io.stdout:write(answer.body)
  if is_terminal() and answer.body:sub(-1) ~= "\n" then
    io.stdout:write "\n"
  end
  if options.verbose then
    io.stderr:write(("source=%s bytes=%d age=%d ttl=%s\n"):format(h["x-cache"] or "?",
      #answer.body, age, left or "never"))
  end
  return STATUS.FINE
end

local function change(options, request, done)
  request.headers = request.headers or {}
  if options.token then
    table.insert(request.headers, "Authorization: Bearer " .. options.token)
  end
  local answer, status = send(options, request)
  if not answer then
    return status
  end
  if options.json then
    json.print { group = request.group, key = request.key or request.of, done = done }
  end
  return STATUS.FINE
end

function values.put(options, rest)
  local headers
  if options.ttl then
    headers = { ("Cache-Control: max-age=%d"):format(math.ceil(options.ttl)) }
  end
  return change(options, { group = rest[1], key = rest[2], method = "PUT", headers = headers,
    body = rest[3] or io.stdin:read "*a" }, "set")
end

-- By a list: to an HTTP cache DELETE would be a request for its origin. A list has keys in UTF-8.
function values.rm(options, rest)
  local group, key = rest[1], rest[2]
  if not json.is_utf8(key) then
    return change(options, { group = group, key = key, method = "DELETE" }, "removed")
  end
  return change(options, { group = group, of = key, method = "POST",
    body = ('{"remove":[%s]}'):format(json.encode(key)) }, "removed")
end

function values.flush(options, rest)
  return change(options, { group = rest[1], method = "DELETE" }, "flushed")
end

return values
