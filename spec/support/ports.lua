-- SPDX-License-Identifier: MIT

--- ports.free() -> a loopback TCP port nobody listens on, never the same one twice
--
-- The port is below the range of the kernel's local ports for outgoing connections. A port from
-- bind(0) could be taken again, by a client of ours, before the child binds it.

local socket = require "socket"
local unistd = require "posix.unistd"

local FIRST, LAST = 12000, 31999

local ports = {}
local span = LAST - FIRST + 1
local at = (unistd.getpid() * 7919 + math.floor(socket.gettime() * 1000)) % span

function ports.free()
  for _ = 1, span do
    local port = FIRST + at
    at = (at + 1) % span
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
