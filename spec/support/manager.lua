-- SPDX-License-Identifier: MIT

--- What a service manager does for a service, such as systemd: it keeps the listening sockets, and
-- hears how the service is.
--
--   manager.tcp(port, name) -> { fd=, name=, sock= }    for process.spawn{ pass = }; blocking, as
--   manager.unix(path, name) -> { fd=, name=, sock= }   systemd's are; sock:close() ends it
--   manager.is_blocking(fd)
--   local m = manager.listen(abstract)                  m.address is for NOTIFY_SOCKET
--   m:heard() -> { text, ... }                          all datagrams so far
--   m:waits_for(pattern, timeout) -> datagram           the first that matches
--   m:close()

local eventually = require "support.eventually"
local fcntl = require "posix.fcntl"
local ffi = require "ffi"
local socket = require "socket"
local tmp = require "support.tmp"
local unistd = require "posix.unistd"

pcall(ffi.cdef, [[
struct spec_sockaddr_un { uint16_t family; char path[108]; };
int spec_socket(int domain, int type, int protocol) __asm__("socket");
int spec_bind(int fd, const struct spec_sockaddr_un *a, unsigned len) __asm__("bind");
int spec_listen(int fd, int backlog) __asm__("listen");
ptrdiff_t spec_recv(int fd, void *buf, size_t n, int flags) __asm__("recv");
]])
local AF_UNIX, STREAM, DGRAM, DONTWAIT, PATH_AT = 1, 1, 2, 0x40, 2

local manager = {}
local methods = {}
methods.__index = methods

-- A UNIX socket that is bound. `@` is an abstract name.
local function bind_unix(kind, path)
  local fd = ffi.C.spec_socket(AF_UNIX, kind, 0)
  local at = ffi.new "struct spec_sockaddr_un"
  at.family = AF_UNIX
  ffi.copy(at.path, path:gsub("^@", "\0"), #path)
  assert(fd >= 0 and ffi.C.spec_bind(fd, at, PATH_AT + #path) == 0, path)
  return fd
end

local function make_blocking(fd)
  local flags = fcntl.fcntl(fd, fcntl.F_GETFL)
  fcntl.fcntl(fd, fcntl.F_SETFL, flags - flags % (2 * fcntl.O_NONBLOCK)
    + flags % fcntl.O_NONBLOCK)
end

function manager.is_blocking(fd)
  return math.floor(fcntl.fcntl(fd, fcntl.F_GETFL) / fcntl.O_NONBLOCK) % 2 == 0
end

function manager.tcp(port, name)
  local sock = assert(socket.bind("127.0.0.1", port, 1024))
  make_blocking(sock:getfd())
  return { fd = sock:getfd(), name = name, sock = sock }
end

function manager.unix(path, name)
  local fd = bind_unix(STREAM, path)
  assert(ffi.C.spec_listen(fd, 1024) == 0)
  return { fd = fd, name = name, sock = { close = function() unistd.close(fd) end } }
end

function manager.listen(abstract)
  local path = tmp.dir() .. "/notify"
  local m = setmetatable({ address = abstract and "@" .. path or path, texts = {} }, methods)
  m.fd = bind_unix(DGRAM, m.address)
  return m
end

function methods:heard()
  local room = ffi.new("char[?]", 4096)
  while true do
    local n = tonumber(ffi.C.spec_recv(self.fd, room, 4096, DONTWAIT))
    if n < 0 then
      return self.texts
    end
    self.texts[#self.texts + 1] = ffi.string(room, n)
  end
end

function methods:waits_for(pattern, timeout)
  return eventually(function()
    for _, text in ipairs(self:heard()) do
      if text:find(pattern) then
        return text
      end
    end
  end, timeout or 10, "the manager hears " .. pattern)
end

function methods:close()
  unistd.close(self.fd)
end

return manager
