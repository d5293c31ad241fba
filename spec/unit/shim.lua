-- SPDX-License-Identifier: MIT

--- What FFI cannot reach (inline functions, threads, generated code) through a few lines of C.
--
--   local S = require("unit.shim")(c_source, declarations) -> library
--
-- The source is compiled against the real headers and linked with the library of the unit specs. It
-- lives in a temporary folder until the run ends.

local ffi = require "ffi"
local lfs = require "lfs"
local tmp = require "support.tmp"
local unit = require "support.unit"

return function(source, declarations)
  local dir = tmp.dir()
  tmp.write(dir .. "/shim.c", source)
  local library = unit.library
  if library:sub(1, 1) ~= "/" then
    library = lfs.currentdir() .. "/" .. library
  end
  local san = { address = "-fsanitize=address,undefined", undefined = "-fsanitize=undefined",
    thread = "-fsanitize=thread" }
  local command = ("%s -std=c11 -D_GNU_SOURCE -g -O1 -Wall -Wextra -Werror %s -shared -fPIC "
    .. "-pthread -Isrc -Iproto -o %s/shim.so %s/shim.c %s 2>&1")
    :format(os.getenv "CC" or "cc", san[os.getenv "SAN" or ""] or "", dir, dir, library)
  local p = io.popen(command)
  local said = p:read "*a"
  p:close()
  if not lfs.attributes(dir .. "/shim.so") then
    error("cannot compile the C part of this spec:\n" .. said, 2)
  end
  ffi.cdef(declarations)
  return ffi.load(dir .. "/shim.so")
end
