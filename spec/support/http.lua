-- SPDX-License-Identifier: MIT

--- An HTTP/1.1 client for specs: it sends exactly the given bytes, returns exactly the answer, and
-- runs hundreds of exchanges at once.
--
--   http.request{ host=, port=, method=, target=, headers=, body=, timeout=, from= }
--     -> res | nil, err
--   http.get(url, opts) -> res | nil, err            any url may replace host, port, target: url=
--   http.parallel(requests, in_flight, on_done) -> results
--   http.together{ fn, fn, ... }                     runs functions side by side
--   http.pause(seconds)                              in such a function: lets the others run
--   http.connect(host, port, timeout) -> conn        conn:request(req), conn:close()
--   http.raw(host, port, bytes, opts) -> bytes, how  whatever the server answers to these bytes
--   http.escape(bytes) -> text                       percent-encodes all but unreserved characters
--
-- `target` is sent as it is, any bytes. `headers` is a table of names and values, or a list of
-- { name, value } when their order matters. Host and (with a body) Content-Length are
-- added unless present; Host = false leaves it out. `timeout` [10] covers the whole exchange.
-- `from` is the address of our side, such as 127.0.0.2.
--
-- res = { status=, reason=, version=, headers= (lower-case names, repetitions joined with ", "),
--         raw_headers= ({ { name, value }, ... } as sent), body=, trailers=, keep_alive=,
--         interim= (the 1xx answers before it, as { status=, reason=, version=, headers= }) }
--
-- err is "timeout", "closed" (before a whole response), "connection refused" and the like, or
-- "bad response: ...".
--
-- Inside, every exchange is a coroutine that sleeps in one epoll set. Outside of one, a
-- function makes one and runs it to its end, like a plain blocking call.

local ffi = require "ffi"
local socket = require "socket"

pcall(ffi.cdef, ([[
struct spec_epoll_event { uint32_t events; union { int fd; uint64_t u64; } data; } %s;
int spec_epoll_create(int flags) __asm__("epoll_create1");
int spec_epoll_ctl(int epfd, int op, int fd, struct spec_epoll_event *ev) __asm__("epoll_ctl");
int spec_epoll_wait(int epfd, struct spec_epoll_event *ev, int max, int ms) __asm__("epoll_wait");
]]):format(ffi.arch == "x64" and "__attribute__((packed))" or ""))
local EPOLLIN, EPOLLOUT, EPOLLONESHOT = 0x1, 0x4, 0x40000000
local CTL_ADD, CTL_DEL, CTL_MOD = 1, 2, 3

local CHUNK = 256 * 1024

local http = {}

-- ---- the loop ----------------------------------------------------------------------------------

local C = ffi.C
local epoll -- opened on first use
local events = ffi.new("struct spec_epoll_event[256]")
local one = ffi.new("struct spec_epoll_event[1]")
local waiting = {} -- fd -> { co, deadline }
local pausing = {} -- { co, until }
local ours = setmetatable({}, { __mode = "k" }) -- coroutines this loop runs
local running = false

local now = socket.gettime

local function resume(co, ...)
  local ok, err = coroutine.resume(co, ...)
  if not ok then
    error(debug.traceback(co, tostring(err)), 0)
  end
end

-- Inside one of our coroutines: true when the socket is ready, false when the deadline came first.
local function ready(sock, how, deadline)
  local fd = sock:getfd()
  one[0].events = (how == "r" and EPOLLIN or EPOLLOUT) + EPOLLONESHOT
  one[0].data.fd = fd
  if C.spec_epoll_ctl(epoll, CTL_MOD, fd, one) ~= 0 then
    assert(C.spec_epoll_ctl(epoll, CTL_ADD, fd, one) == 0, "epoll_ctl")
  end
  waiting[fd] = { coroutine.running(), deadline }
  return coroutine.yield()
end

local function step(until_time)
  local ms = math.max(0, math.min(until_time - now(), 0.05)) * 1000
  local n = C.spec_epoll_wait(epoll, events, 256, math.ceil(ms))
  for i = 0, n - 1 do
    local fd = events[i].data.fd
    local w = waiting[fd]
    if w then
      waiting[fd] = nil
      resume(w[1], true)
    end
  end
end

local function expire()
  local t, late = now(), nil
  for fd, w in pairs(waiting) do
    if w[2] <= t then
      late = late or {}
      late[#late + 1] = fd
    end
  end
  for _, fd in ipairs(late or {}) do
    local w = waiting[fd]
    waiting[fd] = nil
    one[0].data.fd = fd
    C.spec_epoll_ctl(epoll, CTL_DEL, fd, one)
    resume(w[1], false)
  end
end

function http.pause(seconds)
  pausing[#pausing + 1] = { coroutine.running(), now() + seconds }
  coroutine.yield()
end

-- Ends the pauses that are over. -> when the next one is, or nil
local function end_pauses()
  local kept, due, next_one, t = {}, {}, nil, now()
  for _, p in ipairs(pausing) do
    if p[2] <= t then
      due[#due + 1] = p[1]
    else
      kept[#kept + 1] = p
      next_one = math.min(next_one or p[2], p[2])
    end
  end
  pausing = kept
  for _, co in ipairs(due) do
    resume(co)
  end
  return not due[1] and next_one or pausing[1] and t or nil
end

--- Runs the functions side by side until all have returned. An error in one ends it all.
function http.together(fns)
  assert(not running, "http.together does not nest")
  epoll = epoll or C.spec_epoll_create(0x80000)
  assert(epoll >= 0, "epoll_create1")
  running = true
  local left = 0
  local ok, err = pcall(function()
    for _, fn in ipairs(fns) do
      local co = coroutine.create(function()
        fn()
        left = left - 1
      end)
      ours[co] = true
      left = left + 1
      resume(co)
    end
    local next_expiry = 0
    while left > 0 do
      local wake = pausing[1] and end_pauses()
      if left > 0 then
        step(math.min(wake or math.huge, now() + 0.05))
      end
      if now() >= next_expiry then
        expire()
        next_expiry = now() + 0.01
      end
    end
  end)
  running = false
  if not ok then
    waiting, pausing = {}, {}
    error(err, 0)
  end
end

-- Calls fn, within the loop if we already are, else in a loop of its own.
local function inside(fn, ...)
  local co = coroutine.running()
  if co and ours[co] then
    return fn(...)
  end
  local args, n = { ... }, select("#", ...)
  local a, b
  http.together { function()
    a, b = fn(unpack(args, 1, n))
  end }
  return a, b
end

-- ---- one connection ----------------------------------------------------------------------------

local conn = {}
conn.__index = conn

local function open(host, port, deadline, from)
  local sock = assert(socket.tcp4())
  if from then
    assert(sock:bind(from, 0))
  end
  sock:settimeout(0)
  local ok, err = sock:connect(host == "localhost" and "127.0.0.1" or host, port)
  if not ok and err == "timeout" then
    if not ready(sock, "w", deadline) then
      sock:close()
      return nil, "timeout"
    end
    ok, err = sock:connect(host == "localhost" and "127.0.0.1" or host, port)
    if not ok and err == "already connected" then
      ok = true
    end
  end
  if not ok then
    sock:close()
    return nil, err
  end
  sock:setoption("tcp-nodelay", true)
  return setmetatable({ sock = sock, host = host, port = port, buf = "", used = 0 }, conn)
end

local function send(c, bytes, deadline)
  local at = 1
  while at <= #bytes do
    local last, err, partial = c.sock:send(bytes, at)
    at = (last or partial or at - 1) + 1
    if not last then
      if err ~= "timeout" then
        return nil, err
      elseif not ready(c.sock, "w", deadline) then
        return nil, "timeout"
      end
    end
  end
  return true
end

-- Some more bytes, at most n.
local function more(c, n, deadline)
  while true do
    local data, err, partial = c.sock:receive(math.min(n, CHUNK))
    data = data or partial
    if data and #data > 0 then
      c.got = (c.got or 0) + #data
      return data
    elseif err ~= "timeout" then
      return nil, err
    elseif not ready(c.sock, "r", deadline) then
      return nil, "timeout"
    end
  end
end

-- Everything up to and including `mark`.
local function read_until(c, mark, deadline)
  local from = 1
  while true do
    local _, last = c.buf:find(mark, from, true)
    if last then
      local head = c.buf:sub(1, last)
      c.buf = c.buf:sub(last + 1)
      return head
    elseif #c.buf > 1048576 then
      return nil, "bad response: a line or head without end"
    end
    from = math.max(1, #c.buf - #mark + 2)
    local data, err = more(c, 65536, deadline)
    if not data then
      return nil, err
    end
    c.buf = c.buf .. data
  end
end

local function read_exactly(c, n, parts, deadline)
  local have = math.min(#c.buf, n)
  if have > 0 then
    parts[#parts + 1] = c.buf:sub(1, have)
    c.buf = c.buf:sub(have + 1)
    n = n - have
  end
  while n > 0 do
    local data, err = more(c, n, deadline)
    if not data then
      return nil, err
    end
    parts[#parts + 1] = data
    n = n - #data
  end
  return true
end

local function read_to_end(c, parts, deadline)
  parts[#parts + 1] = c.buf
  c.buf = ""
  while true do
    local data, err = more(c, CHUNK, deadline)
    if not data then
      return err == "closed" or nil, err
    end
    parts[#parts + 1] = data
  end
end

-- Lines of "Name: value" -> raw list, table by lower-case name.
local function parse_headers(text)
  local raw, by_name = {}, {}
  for line in text:gmatch "([^\r\n]+)\r?\n" do
    local name, value = line:match "^([^:%s]+):[ \t]*(.-)[ \t]*$"
    if not name then
      return nil, "bad response: header line " .. ("%q"):format(line)
    end
    raw[#raw + 1] = { name, value }
    local low = name:lower()
    by_name[low] = by_name[low] and by_name[low] .. ", " .. value or value
  end
  return raw, by_name
end

local function read_chunks(c, res, parts, deadline)
  while true do
    local line, err = read_until(c, "\r\n", deadline)
    if not line then
      return nil, err
    end
    local size = tonumber(line:match "^(%x+)[ \t]*[;\r]" or "", 16)
    if not size then
      return nil, "bad response: chunk size " .. ("%q"):format(line)
    end
    if size == 0 then
      break
    end
    local ok
    ok, err = read_exactly(c, size, parts, deadline)
    if not ok then
      return nil, err
    end
    local crlf = {}
    ok, err = read_exactly(c, 2, crlf, deadline)
    if not ok then
      return nil, err
    elseif table.concat(crlf) ~= "\r\n" then
      return nil, "bad response: chunk longer than its size"
    end
  end
  local lines = {}
  while true do
    local line, err = read_until(c, "\r\n", deadline)
    if not line then
      return nil, err
    elseif line == "\r\n" then
      break
    end
    lines[#lines + 1] = line
  end
  local raw, by_name = parse_headers(table.concat(lines))
  res.trailers = raw and by_name
  return raw and true, by_name
end

local function read_head(c, deadline)
  local head, err = read_until(c, "\r\n\r\n", deadline)
  if not head then
    return nil, err
  end
  local version, status, reason, rest = head:match "^HTTP/(%d%.%d) (%d%d%d) ?([^\r\n]*)\r\n(.*)$"
  if not version then
    return nil, "bad response: " .. ("%q"):format(head:sub(1, 80))
  end
  local raw, by_name = parse_headers(rest)
  if not raw then
    return nil, by_name
  end
  return { version = version, status = tonumber(status), reason = reason, headers = by_name,
    raw_headers = raw }
end

local function read_response(c, method, deadline)
  local interim = {}
  local res, err = read_head(c, deadline)
  while res and res.status < 200 and res.status ~= 101 do
    interim[#interim + 1] = res
    res, err = read_head(c, deadline)
  end
  if not res then
    return nil, err
  end
  res.interim = interim

  local h = res.headers
  local connection = (h.connection or ""):lower()
  res.keep_alive = not connection:find("close", 1, true)
    and (res.version == "1.1" or connection:find("keep-alive", 1, true) ~= nil)

  local parts, ok = {}
  if method == "HEAD" or res.status == 204 or res.status == 304 or res.status == 101 then
    ok = true
  elseif h["transfer-encoding"] then
    if h["transfer-encoding"]:lower() ~= "chunked" then
      return nil, "bad response: transfer encoding " .. h["transfer-encoding"]
    end
    ok, err = read_chunks(c, res, parts, deadline)
  elseif h["content-length"] then
    if not h["content-length"]:match "^%d+$" then
      return nil, "bad response: content length " .. h["content-length"]
    end
    ok, err = read_exactly(c, tonumber(h["content-length"]), parts, deadline)
  else
    res.keep_alive = false
    ok, err = read_to_end(c, parts, deadline)
  end
  if not ok then
    return nil, err
  end
  res.body = table.concat(parts)
  return res
end

local function head_of(req)
  local lines = { ("%s %s HTTP/1.1"):format(req.method or "GET", req.target or "/") }
  local seen = {}
  local function add(name, value)
    seen[name:lower()] = true
    if value ~= false then
      lines[#lines + 1] = name .. ": " .. tostring(value)
    end
  end
  local headers = req.headers or {}
  for _, pair in ipairs(headers) do
    add(pair[1], pair[2])
  end
  for name, value in pairs(headers) do
    if type(name) == "string" then
      add(name, value)
    end
  end
  if not seen.host then
    table.insert(lines, 2, ("Host: %s:%d"):format(req.host, req.port))
  end
  if req.body and not seen["content-length"] and not seen["transfer-encoding"] then
    lines[#lines + 1] = "Content-Length: " .. #req.body
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

local function exchange(c, req, deadline)
  c.got = 0
  local ok, err = send(c, head_of(req) .. (req.body or ""), deadline)
  -- A server may answer and close without reading all: what it said counts.
  if not ok and err ~= "closed" then
    return nil, err
  end
  c.used = c.used + 1
  return read_response(c, req.method or "GET", deadline)
end

local function split_url(url)
  local host, port, target = url:match "^http://([^:/?]+):?(%d*)(.*)$"
  assert(host, "not an http url: " .. tostring(url))
  if target:sub(1, 1) ~= "/" then
    target = "/" .. target
  end
  return host, tonumber(port) or 80, target
end

-- A copy with host, port and target filled in.
local function complete(req)
  local r = {}
  for k, v in pairs(req) do
    r[k] = v
  end
  if r.url then
    local host, port, target = split_url(r.url)
    r.host, r.port, r.target = r.host or host, r.port or port, r.target or target
  end
  r.host = r.host or "127.0.0.1"
  assert(r.port, "a request needs a port")
  return r
end

--- One exchange on this connection; the connection stays open.
function conn:request(req)
  return inside(function()
    local r = {}
    for k, v in pairs(req) do
      r[k] = v
    end
    r.host, r.port = r.host or self.host, r.port or self.port
    return exchange(self, r, now() + (r.timeout or 10))
  end)
end

function conn:close()
  if self.sock then
    self.sock:close()
    self.sock = nil
  end
end

-- ---- the calls ---------------------------------------------------------------------------------

function http.connect(host, port, timeout)
  return inside(open, host, port, now() + (timeout or 10))
end

function http.request(req)
  return inside(function()
    local r = complete(req)
    local deadline = now() + (r.timeout or 10)
    local c, err = open(r.host, r.port, deadline, r.from)
    if not c then
      return nil, err
    end
    local res
    res, err = exchange(c, r, deadline)
    c:close()
    return res, err
  end)
end

function http.get(url, opts)
  local r = {}
  for k, v in pairs(opts or {}) do
    r[k] = v
  end
  r.url = url
  return http.request(r)
end

-- One exchange over the pool's connection to that server. A kept connection that the server closed
-- meanwhile is no failure: nothing of the answer had come, so the request goes out once more.
local function pooled(pool, req)
  local r = complete(req)
  local deadline = now() + (r.timeout or 10)
  local where = r.host .. ":" .. r.port
  for attempt = 1, 2 do
    local c = attempt == 1 and pool[where]
    pool[where] = nil
    if not c then
      local trouble
      c, trouble = open(r.host, r.port, deadline)
      if not c then
        return nil, trouble
      end
    end
    local reused = c.used > 0
    local res, err = exchange(c, r, deadline)
    if res and res.keep_alive then
      pool[where] = c
      return res
    end
    c:close()
    if res or not reused or c.got > 0 or err == "timeout" then
      return res, err
    end
  end
end

--- Keeps in_flight [16] requests going over as many kept connections until all are done.
-- requests: a list, or a function that returns the next request or nil.
-- on_done(res, err, request, index), if given, is called as each ends; otherwise the results are
-- returned in order, { err = text } for those that failed.
function http.parallel(requests, in_flight, on_done)
  local next_one = requests
  if type(requests) == "table" then
    local i = 0
    next_one = function()
      i = i + 1
      return requests[i]
    end
  end
  local results, index = {}, 0
  local function worker()
    local pool = {}
    while true do
      local req = next_one()
      if not req then
        break
      end
      index = index + 1
      local mine = index
      local res, err = pooled(pool, req)
      if on_done then
        on_done(res, err, req, mine)
      else
        results[mine] = res or { err = err }
      end
    end
    for _, c in pairs(pool) do
      c:close()
    end
  end
  local fns = {}
  for i = 1, in_flight or 16 do
    fns[i] = worker
  end
  http.together(fns)
  return results
end

--- Sends bytes: a string, or a list of pieces with opts.gap seconds between them. Returns all that
-- was received, and why it stopped: "closed", the text of another error, or "timeout" after
-- opts.timeout [2] seconds. opts.half_close ends our side after the last piece. opts.until_bytes
-- stops as soon as that text has arrived ("seen").
function http.raw(host, port, bytes, opts)
  opts = opts or {}
  return inside(function()
    local deadline = now() + (opts.timeout or 2)
    local c, err = open(host, port, deadline)
    if not c then
      return nil, err
    end
    for i, piece in ipairs(type(bytes) == "table" and bytes or { bytes }) do
      if i > 1 and opts.gap then
        -- Nothing is expected yet; should the server speak or close, we go on at once.
        ready(c.sock, "r", math.min(deadline, now() + opts.gap))
      end
      if not send(c, piece, deadline) then
        break
      end
    end
    if opts.half_close then
      c.sock:shutdown "send"
    end
    local parts = {}
    repeat
      local data
      data, err = more(c, CHUNK, deadline)
      parts[#parts + 1] = data
      if data and opts.until_bytes and table.concat(parts):find(opts.until_bytes, 1, true) then
        data, err = nil, "seen"
      end
    until not data
    c:close()
    return table.concat(parts), err
  end)
end

--- Percent-encodes everything but letters, digits and -._~; "." and ".." wholly.
function http.escape(bytes)
  if bytes == "." or bytes == ".." then
    return (bytes:gsub("%.", "%%2E"))
  end
  return (bytes:gsub("[^%w%-%._~]", function(c)
    return ("%%%02X"):format(c:byte())
  end))
end

return http
