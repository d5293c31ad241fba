-- SPDX-License-Identifier: MIT

-- An owner that did not have the group, because its script is older, ended the load with 404. Now
-- the asker loads the key itself.

local node = require "support.node"
local rig = require "node.rig"

describe("a group that its key's owner does not have", function()
  it("is loaded by who was asked", function()
    local with = [[
      require("groupcache").group("new", {
        getter = function(key) rig.record(key) return key ~= "none" and "v:" .. key or nil end,
      })
    ]]
    local without = 'require("groupcache").group("old", { getter = function() return "v" end })'
    local r = rig.new()
    local nodes = node.cluster(2, { script = "", each = function(i, opts)
      opts.script = r:script(i == 1 and with or without)
    end })
    local asker, owner = nodes[1], nodes[2]
    local key = rig.owned_by({ asker.url, owner.url }, owner.url, "k")
    local res = assert(asker:get("new", key))
    assert.same({ 200, "v:" .. key, "local" }, { res.status, res.body, res.headers["x-cache"] })
    assert.same({ [key] = 1 }, r:calls())
    assert.equal(404, assert(owner:get("new", key)).status)
    assert.equal(1, asker:stats().groups.new.peer_errors)
    assert.equal("main", assert(asker:get("new", key)).headers["x-cache"])
    rig.stop_all(nodes)
  end)
end)
