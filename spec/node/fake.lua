-- SPDX-License-Identifier: MIT

--- A server that answers whatever a spec makes up, down to the byte, in a process of its own.
--
--   fake.start(source, env) -> f
--     source is Lua that returns function(request, c), called for every request with
--       request = { method =, target =, headers = { lower-case name = value }, body = }
--       c:send(bytes), c:sleep(seconds), c:close()     and the connection stays open until closed
--       c.asked                                        how many requests came on the connection
--       c:note(text)                                   a line in f:requests()
--     and perhaps a second function(c), called for every connection before its first request
--     f.port, f.url, f:requests() -> { "GET /target", ... }, f:stop()
--
-- Here the server and its client of the spec are two processes: neither can make the other wait.

local lfs = require "lfs"
local process = require "support.process"
local tmp = require "support.tmp"

local fake = {}
fake.__index = fake

local SERVER = [[
local socket = require "socket"

local answer, greet = assert(loadfile(arg[1]))()
local log = assert(io.open(arg[2], "w"))

local listener = assert(socket.bind("127.0.0.1", 0, 1024))
listener:settimeout(0)

local conns = {} -- socket -> { sock, co, wants = "r" | "w" | nil, at = time to go on | nil }

local Conn = {}
Conn.__index = Conn

function Conn:wait(how, at)
  self.wants, self.at = how, at
  coroutine.yield()
  self.wants, self.at = nil, nil
end

function Conn:send(bytes)
  local i = 1
  while i <= #bytes do
    local last, err, partial = self.sock:send(bytes, i)
    i = (last or partial or i - 1) + 1
    if not last then
      if err ~= "timeout" then return self:close() end
      self:wait "w"
    end
  end
end

function Conn:sleep(seconds)
  self:wait(nil, socket.gettime() + seconds)
end

function Conn:close()
  self.sock:close()
  self.closed = true
  coroutine.yield()
end

function Conn:note(text)
  log:write(text, "\n")
  log:flush()
end

function Conn:more()
  while true do
    local data, err, partial = self.sock:receive(65536)
    data = data or partial
    if data and #data > 0 then
      self.buf = self.buf .. data
      return
    elseif err ~= "timeout" then
      self:close()
    end
    self:wait "r"
  end
end

function Conn:read()
  local stop
  repeat
    stop = select(2, self.buf:find("\r\n\r\n", 1, true))
    if not stop then self:more() end
  until stop
  local head = self.buf:sub(1, stop)
  local method, target = head:match "^(%S+) (%S+)"
  local headers = {}
  for name, value in head:gmatch "\n([^:\r\n]+):[ \t]*([^\r\n]*)" do
    headers[name:lower()] = value
  end
  local n = tonumber(headers["content-length"] or 0)
  while #self.buf < stop + n do self:more() end
  local body = self.buf:sub(stop + 1, stop + n)
  self.buf = self.buf:sub(stop + n + 1)
  return { method = method, target = target, headers = headers, body = body }
end

local function serve(conn)
  if greet then greet(conn) end
  while true do
    local request = conn:read()
    conn.asked = conn.asked + 1
    conn:note(request.method .. " " .. request.target)
    answer(request, conn)
  end
end

local function go_on(conn)
  local ok, err = coroutine.resume(conn.co, conn)
  if not ok then error(debug.traceback(conn.co, err), 0) end
  if conn.closed then conns[conn.sock] = nil end
end

local _, port = listener:getsockname()
local ready = assert(io.open(arg[3] .. ".new", "w"))
ready:write(port)
ready:close()
os.rename(arg[3] .. ".new", arg[3])

while true do
  local reads, writes, soon = { listener }, {}, nil
  for sock, conn in pairs(conns) do
    if conn.wants == "r" then reads[#reads + 1] = sock end
    if conn.wants == "w" then writes[#writes + 1] = sock end
    if conn.at and not (soon and soon < conn.at) then soon = conn.at end
  end
  local readable, writable = socket.select(reads, writes,
    soon and math.max(0, soon - socket.gettime()))
  local due = {}
  for _, sock in ipairs(readable) do
    if sock == listener then
      local new = listener:accept()
      if new then
        new:settimeout(0)
        new:setoption("tcp-nodelay", true)
        local co = coroutine.create(serve)
        local conn = setmetatable({ sock = new, buf = "", asked = 0, co = co }, Conn)
        conns[new] = conn
        due[#due + 1] = conn
      end
    else
      due[#due + 1] = conns[sock]
    end
  end
  for _, sock in ipairs(writable) do due[#due + 1] = conns[sock] end
  local now = socket.gettime()
  for _, conn in pairs(conns) do
    if conn.at and conn.at <= now then due[#due + 1] = conn end
  end
  for _, conn in ipairs(due) do go_on(conn) end
end
]]

function fake.start(source, env)
  local dir = tmp.dir()
  local f = setmetatable({ dir = dir }, fake)
  tmp.write(dir .. "/server.lua", SERVER)
  tmp.write(dir .. "/answer.lua", source)
  local argv = { "luajit", dir .. "/server.lua", dir .. "/answer.lua", dir .. "/requests",
    dir .. "/port", stderr = dir .. "/stderr", env = env }
  f.process = process.spawn(argv)
  f.port = f.process:comes_up("the fake server", 10, function()
    return lfs.attributes(dir .. "/port", "mode") and tonumber(tmp.read(dir .. "/port"))
  end, dir .. "/stderr")
  f.url = "http://127.0.0.1:" .. f.port
  return f
end

function fake:requests()
  local list = {}
  for line in io.lines(self.dir .. "/requests") do
    list[#list + 1] = line
  end
  return list
end

function fake:stop()
  local alive = self.process:alive()
  self.process:kill "SIGKILL"
  self.process:wait(5)
  assert(alive, "the fake server had ended by itself: " .. tmp.read(self.dir .. "/stderr"))
end

return fake
