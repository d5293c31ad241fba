-- SPDX-License-Identifier: MIT
-- Each request removes another key, in one of so many groups in turn: the argument.

dofile "bench/wrk/report.lua"

local groups, asked = 1, 0
local REQUEST = "DELETE /cache/g%05d/k%d HTTP/1.1\r\nHost: bench\r\n\r\n"

function init(args)
  groups = tonumber(args[1]) or 1
end

function request()
  asked = asked + 1
  return REQUEST:format(asked % groups + 1, asked)
end
