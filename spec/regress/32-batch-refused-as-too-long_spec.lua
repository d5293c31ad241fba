-- SPDX-License-Identifier: MIT

-- The bytes of a batch that had arrived so far were held against the longest answer of one key. So
-- in a group of small values, and with values near max_value_bytes, every batch failed, and the
-- asker loaded all its keys itself.

local cjson = require "cjson"
local node = require "support.node"
local rig = require "node.rig"

describe("a batch whose answers come together", function()
  it("is taken, however little one value may have", function()
    for _, bytes in ipairs { 20, 20000 } do
      local peers = {}
      local nodes = node.cluster(2, {
        script = ([[
          require("groupcache").group("g", { hot = "never", max_value_bytes = %d,
            getter = function() return ("x"):rep(%d) end })
        ]]):format(bytes, bytes),
        each = function(i, opts) peers[i] = opts.self end,
      })
      local keys = {}
      for i = 1, 200 do
        keys[i] = rig.owned_by(peers, peers[2], "k" .. i)
      end
      local res = nodes[1]:request { method = "POST", target = "/cache/g",
        body = cjson.encode(keys) }
      for _, result in ipairs(cjson.decode(res.body).results) do
        assert.equal("peer", result.source or result.code)
      end
      local peer = nodes[1]:stats().peers[2]
      assert.same({ 200, 0, 1 }, { peer.loads, peer.errors, peer.batches })
      for _, n in ipairs(nodes) do rig.stop(n) end
    end
  end)
end)
