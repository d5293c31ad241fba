-- SPDX-License-Identifier: MIT

--- ports.free() -> a loopback TCP port nobody listens on
--
-- The port is below the range of the kernel's local ports for outgoing connections. A port from
-- bind(0) could be taken again, by a client of ours, before the child binds it.
--
-- A process never gives a port twice, nor one of another run of specs: it claims blocks of ports,
-- by names in the abstract namespace of Unix sockets. The kernel drops them with the process. If
-- all blocks are claimed, it goes through its own blocks again.

local fcntl = require "posix.fcntl"
local sys_socket = require "posix.sys.socket"
local socket = require "socket"
local unistd = require "posix.unistd"

local FIRST, BLOCK, BLOCKS = 12000, 250, 80

local ports = {}
local ours = {} -- blocks that are claimed
local block, at = 0, BLOCK -- the block in use, an index of ours, and the next port in it

local function claim(number)
  local fd = assert(sys_socket.socket(sys_socket.AF_UNIX, sys_socket.SOCK_DGRAM, 0))
  fcntl.fcntl(fd, fcntl.F_SETFD, fcntl.FD_CLOEXEC)
  local name = { family = sys_socket.AF_UNIX, path = "\0groupcache-ports-" .. number }
  if sys_socket.bind(fd, name) then
    return true
  end
  unistd.close(fd)
end

local function next_block()
  local first = unistd.getpid() * 7919 + math.floor(socket.gettime() * 1000)
  for i = 0, BLOCKS - 1 do
    local number = (first + i) % BLOCKS
    if claim(number) then
      ours[#ours + 1] = number
      block = #ours
      return
    end
  end
  assert(ours[1], "other processes have claimed all ports of 127.0.0.1")
  block = block % #ours + 1
end

function ports.free()
  for _ = 1, BLOCK * BLOCKS do
    if at == BLOCK then
      next_block()
      at = 0
    end
    local port = FIRST + ours[block] * BLOCK + at
    at = at + 1
    local s = socket.tcp4()
    local free = s:bind("127.0.0.1", port) and s:listen(1)
    s:close()
    if free then
      return port
    end
  end
  error("no free port on 127.0.0.1", 2)
end

return ports
