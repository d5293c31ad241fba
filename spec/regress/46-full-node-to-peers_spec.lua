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
local groupcache = require "groupcache"
groupcache.group("g", { timeout = 60, getter = function(key)
  if key:find "^slow" then groupcache.sleep(60) end
  return "v:" .. key
end })
]]

-- Places for two, and four more for peers and operators.
local PLACES = 6

describe("a node that takes no more connections", function()
  for dialect, status in pairs { golang = 500, mailgun = 500, ["groupcache-go"] = 500,
    modernprogram = 500 } do
    it("tells peers so that they load the key themselves: " .. dialect, function()
      local n = node.start { script = SCRIPT, args = { "--dialect", dialect, "--max-connections",
        "2", "--drain-timeout", "0" } }
      local held = {}
      local function ask(path)
        return http.raw(n.host, n.port, "GET " .. path .. " HTTP/1.1\r\nHost: x\r\n"
          .. "X-Groupcache-From: http://127.0.0.1:1\r\n\r\n")
      end
      local peers = eventually(function() -- peers' requests that wait for loads fill the places
        local sock = assert(socket.connect(n.host, n.port))
        held[#held + 1] = sock
        assert(sock:send(("GET /_groupcache/g/slow%d HTTP/1.1\r\nHost: x\r\n\r\n"):format(#held)))
        local answer = #held >= PLACES and ask "/_groupcache/g/key" or ""
        return answer:find "^HTTP/1.1 500" and answer
      end, 5, "a peer that is refused")
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
