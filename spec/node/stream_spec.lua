-- SPDX-License-Identifier: MIT

-- http.stream: an answer that is read while it arrives.

local streamed = require "node.streamed"

local get = streamed.get

describe("http.stream", function()
  after_each(streamed.stop)

  local LINES = [[
    c:send "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na\nb\r\n"
    c:sleep(0.1) c:send "4\r\nb\r\n\n\r\n1\r\nc\r\n0\r\n\r\n"]]

  it("gives lines whatever pieces they arrive in, and then nothing", function()
    assert.equal("200 a|bb||c|nil", get(LINES, [[
      local out = {}
      for line in function() return s:line() end do out[#out + 1] = line end
      return s.status .. " " .. table.concat(out, "|") .. "|" .. tostring(s:line())]]))
  end)

  it("gives bytes as they arrive, before the answer has ended", function()
    assert.equal("first", get([[
      c:send "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n" c:sleep(60)]],
      [[local bytes = s:read() s:close() return bytes]]))
  end)

  it("says how it failed, behind what has arrived", function()
    assert.equal("half PEER", get([[
      c:send "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf" c:close()]],
      [[local bytes = s:read() local _, _, code = s:read() return bytes .. " " .. code]]))
  end)

  it("ends at its timeout", function()
    assert.equal("a TIMEOUT", get([[
      c:send "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na\n\r\n" c:sleep(60)]],
      [[local line = s:line() local _, _, code = s:line() return line .. " " .. code]],
      ", timeout = 0.3"))
  end)

  it("has an answer with another status whole", function()
    assert.equal("404 no such", get([[
      c:send "HTTP/1.1 404 X\r\nContent-Length: 8\r\n\r\nno such\n"]],
      [[local line = s:line() return s.status .. " " .. line]]))
  end)

  it("holds no more than max_bytes that nobody reads", function()
    assert.equal("PEER", get([[
      c:send("HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n" .. ("x"):rep(900000))]],
      [[groupcache.sleep(0.5)
        local bytes, code = ""
        repeat bytes, _, code = s:read() until not bytes
        return code]], ", max_bytes = 50000"))
  end)

  it("ends with its getter, though nobody closes it", function()
    assert.matches("TIMEOUT", get([[
      c:send "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na\n\r\n" c:sleep(60)]],
      [[s:line() return s:line()]]), 1, true)
  end)

  it("refuses what a stream cannot do", function()
    local body = get("c:close()", [[return "no"]], ", follow = 2")
    assert.matches("a stream follows no redirects, decodes nothing", body, 1, true)
  end)

  it("says by its own name what is wrong with a request", function()
    local body = get("c:close()", [[return "no"]], ", max_bytes = 0")
    assert.matches("http.stream: max_bytes is 0, and must be 1 to", body, 1, true)
  end)
end)
