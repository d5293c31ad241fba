-- SPDX-License-Identifier: MIT

--- eventually(fn, timeout_s, what) -> the first true value of fn()
--
-- Polls fn every few milliseconds. Errors in fn count as "not yet". After timeout_s [5] it raises
-- with `what` and the last error. A spec waits in this way, never with a sleep.

local socket = require "socket"

return function(fn, timeout_s, what)
  local deadline = socket.gettime() + (timeout_s or 5)
  local pause = 0.001
  while true do
    local ok, value = pcall(fn)
    if ok and value then
      return value
    end
    if socket.gettime() >= deadline then
      local reason = ok and ("last value: " .. tostring(value)) or tostring(value)
      error(("not within %g s: %s (%s)"):format(timeout_s or 5, what or "condition", reason), 2)
    end
    socket.sleep(pause)
    pause = math.min(pause * 1.5, 0.02)
  end
end
