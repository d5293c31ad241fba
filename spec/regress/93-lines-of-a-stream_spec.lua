-- SPDX-License-Identifier: MIT

-- stream:line() copied all bytes behind a line for each line, and looked through all of a long line
-- for each piece of it. A megabyte of short lines took seconds. A line that never ended took all
-- memory, whatever max_bytes was.

local streamed = require "node.streamed"

local get = streamed.get

describe("the lines of a stream", function()
  after_each(streamed.stop)

  local COUNT = [[
    groupcache.sleep(0.5) -- most bytes have arrived then
    local began, lines, bytes = os.clock(), 0, 0
    for line in function() return s:line() end do
      lines, bytes = lines + 1, bytes + #line
    end
    return ("%d lines, %d bytes, %s"):format(lines, bytes,
      os.clock() - began < 1.5 and "soon" or "late")]]

  it("cost the same however many have arrived", function()
    assert.equal("400000 lines, 1600000 bytes, soon", get([[
      c:send("HTTP/1.1 200 OK\r\nContent-Length: 2400000\r\n\r\n" .. ("line\r\n"):rep(400000))]],
      COUNT))
  end)

  it("may arrive in many pieces", function()
    assert.equal("2 lines, 6000003 bytes, soon", get([[
      c:send "HTTP/1.1 200 OK\r\nContent-Length: 6000004\r\n\r\n"
      for _ = 1, 600 do c:send(("x"):rep(10000)) c:sleep(0.001) end
      c:send "\nend"]], (COUNT:gsub("groupcache.sleep[^\n]*", ""))))
  end)

  it("are no longer than max_bytes", function()
    assert.matches("^a line of the stream has more than 50000 bytes, max_bytes TOOBIG", get([[
      c:send "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
      for _ = 1, 100 do c:send("3e8\r\n" .. ("x"):rep(1000) .. "\r\n") c:sleep(0.005) end
      c:sleep(60)]], [[
      local line, err, code = s:line()
      return err .. " " .. code]], ", max_bytes = 50000"))
  end)
end)
