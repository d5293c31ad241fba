-- SPDX-License-Identifier: MIT

--- eventually(fn, timeout_s, what) -> the first true value of fn()
--
-- Polls fn every few milliseconds. Errors in fn count as "not yet". After timeout_s [PATIENCE_S] it
-- raises with `what` and the last error. A spec waits in this way, never with a sleep.
-- A busy machine takes its time: a timeout of a second or more is PATIENCE_S at least. A shorter
-- one asks what holds now.

local socket = require "socket"

local PATIENCE_S = 15

return function(fn, timeout_s, what)
  if not timeout_s or timeout_s >= 1 then
    timeout_s = math.max(timeout_s or 0, PATIENCE_S)
  end
  local deadline = socket.gettime() + timeout_s
  local pause = 0.001
  while true do
    local ok, value = pcall(fn)
    if ok and value then
      return value
    end
    if socket.gettime() >= deadline then
      local reason = ok and ("last value: " .. tostring(value)) or tostring(value)
      error(("not within %g s: %s (%s)"):format(timeout_s, what or "condition", reason), 2)
    end
    socket.sleep(pause)
    pause = math.min(pause * 1.5, 0.02)
  end
end
