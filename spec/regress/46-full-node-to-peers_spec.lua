-- SPDX-License-Identifier: MIT

-- A node with as many connections as it takes answered peers 503 without a code. To Go's forks, and
-- to our own nodes in their dialects, that is the getter's final word: one full node failed all of
-- its keys everywhere.

local eventually = require "support.eventually"
local http = require "support.http"
local node = require "support.node"
local rig = require "node.rig"
local socket = require "socket"

local SCRIPT = [[
require("groupcache").group("g", { getter = function(key) return "v:" .. key end })
]]

describe("a node that takes no more connections", function()
  for dialect, status in pairs { golang = 500, mailgun = 500, ["groupcache-go"] = 500,
    modernprogram = 500 } do
    it("tells peers so that they load the key themselves: " .. dialect, function()
      local n = node.start { script = SCRIPT,
        args = { "--dialect", dialect, "--max-connections", "2" } }
      local held = {}
      for i = 1, 2 do
        held[i] = eventually(function() -- the connections that asked whether it is ready are gone
          local sock = assert(socket.connect(n.host, n.port))
          sock:send "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
          return sock:receive "*l" == "HTTP/1.1 200 OK" and sock or sock:close() and nil
        end, 5, "a connection that is served")
      end
      local function ask(path)
        return http.raw(n.host, n.port, "GET " .. path .. " HTTP/1.1\r\nHost: x\r\n"
          .. "X-Groupcache-From: http://127.0.0.1:1\r\n\r\n")
      end
      local peers = ask "/_groupcache/g/key"
      assert.matches("^HTTP/1.1 " .. status .. " ", peers)
      assert.matches("\r\nX-Groupcache-Code: BUSY\r\n", peers, 1, true)
      assert.matches("\r\nX-Groupcache-Node: ", peers, 1, true)
      assert.matches("^HTTP/1.1 503 .*\"BUSY\"", ask "/cache/g/key")
      for _, sock in ipairs(held) do
        sock:close()
      end
      rig.stop(n)
    end)
  end
end)
