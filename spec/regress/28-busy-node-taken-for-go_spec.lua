-- SPDX-License-Identifier: MIT

-- A node without a free connection answered a removal with a 503 that did not name the server. The
-- sender took it for a Go node, which cannot be told, and did not tell it again.

local cjson = require "cjson"
local eventually = require "support.eventually"
local fake = require "node.fake"
local node = require "support.node"
local ours = require "node.ours"
local ports = require "support.ports"
local rig = require "node.rig"

describe("a removal that a busy node refuses", function()
  it("is told again", function()
    local f = fake.start(ours [[
      local times = 0
      function on_batch(request, c)
        times = times + 1
        if times <= 2 then
          answer(c, 503, '{"error":"too many connections","code":"BUSY"}\n', "")
        else
          answer(c, 200, "")
        end
      end
    ]])
    local port = ports.free()
    local peers = { "http://127.0.0.1:" .. port, f.url }
    local n = node.start { port = port, self = peers[1], peers = peers, script = [[
      local cjson = require "cjson"
      local g = require("groupcache").group("g", { getter = function() return "v" end })
      require("groupcache").group("call", { local_only = true, getter = function(key)
        local _, _, code, unconfirmed = g:remove(key)
        return cjson.encode { code, unconfirmed }, nil, 0
      end })
    ]] }
    local mine = rig.owned_by(peers, peers[1], "k")
    assert.same({ "PEER", { f.url } }, cjson.decode(n:get("call", mine).body))
    eventually(function() return n:stats().unconfirmed == 0 end, 20, "it has confirmed")
    local told = 0
    for _, request in ipairs(f:requests()) do
      if request:match "^POST " then told = told + 1 end -- the others ask for a sign of life
    end
    assert.equal(3, told)
    rig.stop(n)
    f:stop()
  end)
end)
