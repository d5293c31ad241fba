-- SPDX-License-Identifier: MIT
-- Every request for another key: arguments are what stands before it in the path, and the number of
-- the first. Keys have 12 bytes.

dofile "bench/wrk/report.lua"

local head, at
local TAIL = " HTTP/1.1\r\nHost: bench\r\n\r\n"

function init(args)
  head, at = "GET " .. args[1], tonumber(args[2])
end

function request()
  at = at + 1
  return head .. ("k%011d"):format(at) .. TAIL
end
