-- SPDX-License-Identifier: MIT

-- In a group that is local_only each node owns all keys. `explain` and `doctor` took that for rings
-- that differ, and ended with 1 in a cluster without a fault.

local node = require "support.node"
local process = require "support.process"
local rig = require "node.rig"

local function group(name, more)
  return ("groupcache.group(%q, { %s getter = function(key) return key end })\n"):format(name, more)
end

local REQUIRE = "local groupcache = require 'groupcache'\n"
local ALONE = group("own", "local_only = true,") .. group("none", "peers = {},")

local function run(...)
  return process.run { node.binary, timeout = 60, ... }
end

describe("groupcached, of a group that each node has alone,", function()
  for script, ring in pairs {
    [REQUIRE .. ALONE] = "no group has a ring",
    [REQUIRE .. ALONE .. group("g", "")] = "all nodes name the same owners of 16 keys",
  } do
    it("sees no fault: " .. ring, function()
      local nodes = node.cluster(2, { script = script })
      local doctor = run("doctor", "--node", nodes[1].url)
      local own = run("explain", "own", "k", "--node", nodes[1].url)
      local none = run("explain", "none", "k", "--node", nodes[2].url)
      rig.stop(nodes[1])
      rig.stop(nodes[2])
      assert.equal(0, doctor.code, doctor.stdout)
      assert.matches("ok +ring +" .. ring, doctor.stdout)
      for _, out in ipairs { own, none } do
        assert.equal(0, out.code, out.stdout)
        assert.matches("each node owns all keys of the group", out.stdout, 1, true)
      end
    end)
  end
end)
