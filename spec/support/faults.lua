-- SPDX-License-Identifier: MIT

--- Faults in a running node: its Nth allocation fails, its clocks jump.
--
--   local f = faults.new()            nil, why: not in this build (sanitizers, valgrind)
--   node.start { env = f.env, ... }
--   f:fail_after(n)       n allocations of the node succeed, the next one fails; n < 0: none fails
--   f:failed() -> times   how often that has happened
--   f:place() -> text     where it happened last, an address for addr2line
--   f:advance(seconds)    the node's monotonic clock jumps ahead
--   f:step_wall(seconds)  its time of day is so much off, in either direction
--
-- A library that is preloaded (faults.c) shares a page with this process. One object is for one
-- node at a time, or for several that have the same faults.

local ffi = require "ffi"
local tmp = require "support.tmp"

pcall(ffi.cdef, [[
struct spec_faults { int64_t left; uint64_t failed, offset_ns, place; int64_t wall_s; };
void *spec_mmap(void *at, size_t n, int prot, int flags, int fd, long offset) __asm__("mmap");
int spec_open(const char *path, int flags) __asm__("open");
int spec_close(int fd) __asm__("close");
]])

local faults = {}
local methods = {}
methods.__index = methods

local library -- compiled once

local function compile()
  if not library then
    local path = tmp.dir() .. "/faults.so"
    local p = assert(io.popen(("%s -std=c11 -D_GNU_SOURCE -O1 -Wall -Wextra -Werror -shared -fPIC "
      .. "-o %s spec/support/faults.c 2>&1"):format(os.getenv "CC" or "cc", path)))
    local said = p:read "*a"
    p:close()
    assert(said == "", said)
    library = path
  end
  return library
end

function faults.new()
  if (os.getenv "SAN" or "") ~= "" or (os.getenv "BUILD" or ""):find "build%-"
    or (os.getenv "GROUPCACHED_WRAP" or "") ~= "" then
    return nil, "no preloading with sanitizers or valgrind"
  end
  local path = tmp.dir() .. "/faults"
  tmp.write(path, ("\0"):rep(4096))
  local fd = ffi.C.spec_open(path, 2) -- O_RDWR
  local page = ffi.C.spec_mmap(nil, 4096, 3, 1, fd, 0) -- read and write, shared
  ffi.C.spec_close(fd)
  local f = setmetatable({ page = ffi.cast("volatile struct spec_faults *", page),
    env = { LD_PRELOAD = compile(), SPEC_FAULTS = path } }, methods)
  f.page.left = -1
  return f
end

function methods:fail_after(n)
  self.page.left = n
end

function methods:failed()
  return tonumber(self.page.failed)
end

function methods:place()
  return ("0x%x"):format(tonumber(self.page.place))
end

function methods:advance(seconds)
  self.page.offset_ns = self.page.offset_ns + seconds * 1e9
end

function methods:step_wall(seconds)
  self.page.wall_s = seconds
end

return faults
