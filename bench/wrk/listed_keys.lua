-- SPDX-License-Identifier: MIT
-- Every request for the next key of a list: arguments are what stands before it in the path, and a
-- file with a key a line. When the list is at its end it begins anew, and the report says so.

dofile "bench/wrk/report.lua"

local requests, at = {}, 0

function init(args)
  for key in io.lines(args[2]) do
    requests[#requests + 1] = "GET " .. args[1] .. key .. " HTTP/1.1\r\nHost: bench\r\n\r\n"
  end
end

function request()
  at = at + 1
  if at > #requests then
    at, ran_out = 1, true
  end
  return requests[at]
end
