-- SPDX-License-Identifier: MIT

-- A value that was set without a ttl of its own was sent to a Go fork's node without an expiry. It
-- stayed there for ever, whatever the group's ttl.

local fake = require "node.fake"
local node = require "support.node"
local ports = require "support.ports"
local rig = require "node.rig"

describe("a set without a ttl", function()
  it("is sent to a fork's node with the end that the group's ttl gives", function()
    local f = fake.start [[
      return function(request, c)
        local status = request.method == "POST" and "400 Bad Request"
          or request.body:find "\32[\128-\255]+" and "200 OK" -- field 4, not 0
          or "500 No Expire"
        c:send("HTTP/1.1 " .. status .. "\r\nContent-Length: 0\r\n\r\n")
      end
    ]]
    local port = ports.free()
    local peers = { "http://127.0.0.1:" .. port, f.url }
    local n = node.start { port = port, self = peers[1], peers = peers,
      args = { "--dialect", "mailgun" }, script = [[
        for name, ttl in pairs { brief = 60, long = 0 } do
          local g = require("groupcache").group(name, { ttl = ttl, getter = function() end })
          require("groupcache").group("call " .. name, { local_only = true, getter = function(key)
            return g:set(key, "v") and "set" or "not set", nil, 0
          end })
        end
      ]] }
    local theirs = rig.owned_by(peers, f.url, "k", "mailgun")
    assert.equal("set", n:get("call brief", theirs).body)
    assert.equal("not set", n:get("call long", theirs).body)
    rig.stop(n)
    f:stop()
  end)
end)
