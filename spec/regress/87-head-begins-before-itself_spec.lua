-- SPDX-License-Identifier: MIT

-- A head whose last line begins with NULs ends earlier than libmicrohttpd says. If such a head was
-- large or came in pieces, it was copied from so many bytes before its first: a client could make a
-- node read memory before the buffer of its connection. `make fuzz` found it.

local http = require "support.http"
local rig = require "node.rig"
local socket = require "socket"

local LINE = ("b"):rep(3000)

describe("a head whose last line begins with NULs", function()
  local r, n

  setup(function()
    r, n = rig.start [[
      require("groupcache").group("g", { getter = function(key)
        rig.record(key)
        return key
      end })
    ]]
  end)

  teardown(function() rig.stop(n) end)

  -- Sends the pieces, then hangs up in one direction. Returns all that is answered.
  local function answer_to(pieces)
    local s = assert(socket.connect(n.host, n.port))
    s:settimeout(10)
    for _, piece in ipairs(pieces) do
      assert(s:send(piece))
      http.get(n.url .. "/healthz") -- the node has read the piece
    end
    s:shutdown "send"
    local all, _, part = s:receive "*a"
    s:close()
    return all or part
  end

  for name, pieces in pairs {
    ["in one piece"] = { "GET /cache/g/a HTTP/1.1\r\nHost: h\r\n\0\0" .. LINE .. "\r\n\r\n" },
    ["and that is large"] = { "GET /cache/g/a HTTP/1.1\r\nHost: h\r\nX: " .. LINE .. LINE
      .. "\r\n\0\0" .. LINE .. "\r\n\r\n" },
    ["in two pieces"] = { "GET /cache/g/a HTTP/1.1\r\nHost: h\r\n", "\0\0" .. LINE, "\r\n\r\n" },
    ["without its end"] = { "GE&T \236/cache/g/a HTTP/1.1\r\nHost: h\r\nX: a\r\n\0\0\1" },
    ["whose method is a part of another"] = {
      "ELETE /cache/g/a HTTP/1.1\r\nHost: h\r\nX: a\r\n\0\0\1" },
  } do
    it(name .. " is refused", function()
      local got = answer_to(pieces)
      assert.truthy(got == "" or got:find("^HTTP/1.1 40[08]"), got)
      assert.same({}, r:calls())
      assert.equal(200, assert(http.get(n.url .. "/healthz")).status)
    end)
  end
end)
