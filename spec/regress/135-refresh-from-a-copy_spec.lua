-- SPDX-License-Identifier: MIT

-- For a minute after its list of peers has changed, a node asks the former owner of a key for
-- its value before its getter. It did so for loads before a value's end, too. So it had the same
-- value back, with the same end, and loaded nothing: clients waited at each end as without
-- refresh_ahead.

local eventually = require "support.eventually"
local node = require "support.node"
local rig = require "node.rig"

-- A load may come at any hit.
local SCRIPT = [[
local groupcache = require "groupcache"
groupcache.group("g", { ttl = 100, refresh_ahead = 100, hot = "always", getter = function(key)
  rig.record(key)
  groupcache.sleep(0.5)
  return "value"
end })
return { workers = 1, http_threads = 1 }
]]

describe("a load before a value's end", function()
  local r, nodes

  before_each(function()
    r = rig.new()
    nodes = node.cluster(2, { script = r:script(SCRIPT) })
  end)

  after_each(function()
    rig.stop_all(nodes)
  end)

  it("calls the getter, though another node has a copy", function()
    local key = rig.key_of(nodes, 1, "k")
    for i = 2, 1, -1 do
      assert.equal("value", assert(nodes[i]:get("g", key)).body)
    end
    eventually(function()
      assert.equal(200, assert(nodes[1]:get("g", key)).status)
      return nodes[1]:stats().groups.g.refreshes > 0
    end, 60)
    eventually(function() return r:calls()[key] == 2 end, 10)
    assert.equal(0, nodes[1]:stats().groups.g.handed)
  end)
end)
