-- SPDX-License-Identifier: MIT
-- groupcache.cli.terminal: a terminal for a live view: another screen, keys without Enter, its
-- size. All of it is undone by close(), which the caller calls also after an error.

local core = require "groupcache.core"
local ffi = require "ffi"

pcall(ffi.cdef, [[
int isatty(int fd);
struct gc_pollfd { int fd; short events; short revents; };
int gc_poll(struct gc_pollfd *fds, unsigned long n, int timeout) __asm__("poll");
]])

local POLLIN = 1

local terminal = {}

--- Whether a descriptor is a terminal.
function terminal.is(fd)
  return ffi.C.isatty(fd) == 1
end

local function output_of(command)
  local pipe = io.popen(command)
  local text = pipe:read "*a"
  pipe:close()
  return text
end

--- Takes the terminal. A signal that ends the process gives it back, too.
function terminal.open()
  assert(core.terminal(true))
end

function terminal.close()
  io.stdout:flush()
  core.terminal(false)
end

--- -> rows, columns
function terminal.size()
  local rows, columns = output_of("stty size </dev/tty"):match "(%d+) (%d+)"
  return tonumber(rows) or 24, tonumber(columns) or 80
end

--- Waits for a key. -> the key, or nil: the time has passed. "\3" is Ctrl-C.
function terminal.key(seconds)
  local fds = ffi.new("struct gc_pollfd[1]", { { 0, POLLIN, 0 } })
  if ffi.C.gc_poll(fds, 1, math.floor(seconds * 1000)) > 0 then
    return io.stdin:read(1) or "q"
  end
end

--- Draws lines, all at once so that nothing flickers. Each is cut to the width.
function terminal.draw(lines)
  local rows, columns = terminal.size()
  local out = { "\27[H" }
  for i = 1, math.min(#lines, rows) do
    local line = lines[i]
    local shown = line.text:sub(1, columns)
    out[#out + 1] = (line.style or "") .. shown .. (line.style and "\27[0m" or "") .. "\27[K"
      .. (i < rows and i < #lines and "\r\n" or "")
  end
  out[#out + 1] = "\27[J"
  io.stdout:write(table.concat(out))
  io.stdout:flush()
end

return terminal
