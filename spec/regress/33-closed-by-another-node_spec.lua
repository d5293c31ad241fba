-- SPDX-License-Identifier: MIT

-- When a node answered a change with CLOSED, the change ended with CLOSED, as if the asking node
-- were stopping.

local cjson = require "cjson"
local fake = require "node.fake"
local node = require "support.node"
local ours = require "node.ours"
local ports = require "support.ports"
local rig = require "node.rig"

describe("a change that another node refuses since it is closed", function()
  it("was not confirmed by it", function()
    local f = fake.start(ours [[
      function on_batch(request, c)
        answer(c, 503, "stopping\n", OURS .. "X-Groupcache-Code: CLOSED\r\n")
      end
    ]])
    local port = ports.free()
    local peers = { "http://127.0.0.1:" .. port, f.url }
    local n = node.start { port = port, self = peers[1], peers = peers, script = [[
      require("groupcache").group("g", { writable = true, getter = function() return "v" end })
    ]] }
    local res = n:get("g", "k", { method = "DELETE" })
    local body = cjson.decode(res.body)
    assert.same({ 502, "PEER", { f.url } }, { res.status, body.code, body.missing })
    rig.stop(n)
    f:stop()
  end)
end)
