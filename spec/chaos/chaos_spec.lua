-- SPDX-License-Identifier: MIT

-- make chaos: 3 and 5 real nodes under the faults of SEED; cluster.lua says what clients check.
-- `make chaos` runs this in a network namespace, if it may make one.

local cluster = require "chaos.cluster"
local rig = require "node.rig"

local SEED = tonumber(os.getenv "SEED") or 1
local SECONDS = tonumber(os.getenv "CHAOS_SECONDS") or 110

describe("chaos", function()
  for _, nodes in ipairs { 3, 5 } do
    it(("does not make a cluster of %d give a wrong value"):format(nodes), function()
      local c = cluster.new { seed = SEED, nodes = nodes, seconds = SECONDS / 2 }
      io.stderr:write(("chaos: SEED=%d, %d nodes, %d seconds%s\n"):format(SEED, nodes, c.seconds,
        cluster.cuts and "" or "; SKIPPED: no packet is dropped, for want of a network namespace"))
      c:say_schedule()
      c:run()
      c:settles()
      c:say_counts()
      assert.same({}, c.trouble, "again: make chaos SEED=" .. SEED)
      assert.is_true(c.counts.values > 500 and c.counts.confirmed > 50, "too little happened")
      rig.stop_all(c.nodes)
    end)
  end
end)
