-- SPDX-License-Identifier: MIT
-- Every request for a key that is drawn evenly: arguments are what stands before it in the path,
-- and how many keys there are. Keys have 12 bytes. A request costs wrk the same for any number.

dofile "bench/wrk/report.lua"

local head, count
local TAIL = " HTTP/1.1\r\nHost: bench\r\n\r\n"

function init(args)
  head, count = "GET " .. args[1], tonumber(args[2])
  math.randomseed(1)
end

function request()
  return head .. ("k%011d"):format(math.random(count) - 1) .. TAIL
end
