-- SPDX-License-Identifier: MIT

--- Runs once, before any spec (busted's `helper`).
--
-- Busted gives every spec file fresh modules, except those loaded before the first file. So modules
-- that must exist once in the process (children, ports, temporary folders, C declarations) are
-- loaded here.

local stdlib = require "posix.stdlib"

-- `make test GC=1`: the collector never rests, and marks ten bytes for each byte that is allocated.
-- So memory that only C still uses is soon given to somebody else.
if os.getenv "GC" == "1" then
  collectgarbage("setpause", 100)
  collectgarbage("setstepmul", 1000)
end

-- A sanitizer's runtime is preloaded for this interpreter only. Children get nothing of it:
-- groupcached has it linked in, and nginx or gcc want none.
stdlib.setenv("LD_PRELOAD", nil)

local busted = require "busted"

require "support.unit"
require "support.http"
local tmp = require "support.tmp"
require "support.ports"
local process = require "support.process"
local output = require "support.result"

busted.subscribe({ "exit" }, function()
  process.cleanup()
  tmp.cleanup()
  -- busted's own exit status is the number of failures, of which the system keeps eight bits.
  if output.failed > 0 or output.passed + output.skipped == 0 then
    os.exit(1, true)
  end
  return nil, true
end)
