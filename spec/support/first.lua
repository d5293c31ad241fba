-- SPDX-License-Identifier: MIT

--- Puts the threads of a node that answer before all others in the queue of the machine
--- (SCHED_FIFO), so that what is measured is their work.
--
--   local ok = first.put(n)        nil: this process may not
--   first.COMMAND                  words before a command that is to run before those, too

local lfs = require "lfs"
local process = require "support.process"

local first = { COMMAND = { "chrt", "-f", "2" } }

local function name_of(task)
  local f = io.open(task .. "/comm")
  local name = f and f:read "*l"
  if f then
    f:close()
  end
  return name
end

function first.put(n)
  local tasks = ("/proc/%s/task/"):format(n.process.pid)
  for tid in lfs.dir(tasks) do
    local name = tid:match "%d" and name_of(tasks .. tid)
    if name and (name:match "^http%-" or name == "accept")
      and process.run({ "chrt", "-f", "-p", "1", tid }).code ~= 0 then
      return nil
    end
  end
  return true
end

return first
