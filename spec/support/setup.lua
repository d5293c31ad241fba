-- SPDX-License-Identifier: MIT

--- Runs once, before any spec (busted's `helper`).
--
-- Busted gives every spec file fresh modules, except those loaded before the first file. So modules
-- that must exist once in the process (children, ports, temporary folders, C declarations) are
-- loaded here.

local stdlib = require "posix.stdlib"

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
