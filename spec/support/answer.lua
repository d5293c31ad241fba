-- SPDX-License-Identifier: MIT

--- answer(sock) -> status, headers by small name, body; or nil, why
--
-- The next answer on a socket of LuaSocket, for specs that write the bytes of requests themselves.
-- Its body is read if it has a Content-Length.

return function(sock)
  local line, why = sock:receive "*l"
  if not line then
    return nil, why
  end
  local headers = {}
  for name, value in function() return sock:receive "*l":match "^([^:]+): (.*)$" end do
    headers[name:lower()] = value
  end
  local length = tonumber(headers["content-length"])
  return tonumber(line:match "^HTTP/1%.1 (%d+) "), headers, length and sock:receive(length)
end
