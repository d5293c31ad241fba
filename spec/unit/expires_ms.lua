-- SPDX-License-Identifier: MIT

--- When an item ends, in milliseconds of clock_ms(), or nil: item_expires_ms() is inline in C.

local ffi = require "ffi"

return function(it)
  if it.mortal == 0 then
    return nil
  end
  local e = ffi.cast("struct item_end *", it) - 1
  return e.high_ms * 2 ^ 32 + e.low_ms
end
