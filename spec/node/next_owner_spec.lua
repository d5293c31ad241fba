-- SPDX-License-Identifier: MIT

-- While the owner of a key is out of use, the next node on the ring takes its place, for all nodes.

local cjson = require "cjson"
local eventually = require "support.eventually"
local node = require "support.node"
local rig = require "node.rig"

local SCRIPT = [[
local groupcache = require "groupcache"
groupcache.group("g", { hot = "always", writable = true, getter = function(key)
  rig.record(key)
  return key .. "@" .. os.getenv "NODE"
end })
return { workers = 1, http_threads = 1 }
]]

for _, dialect in ipairs { "golang", "mailgun", "groupcache-go", "modernprogram" } do
  describe("in the dialect " .. dialect .. " the next owner", function()
    local r, nodes, urls, left

    setup(function()
      r = rig.new()
      nodes = node.cluster(3, { script = r:script(SCRIPT), args = { "--dialect", dialect },
        each = function(i, mine) mine.env = { NODE = "n" .. i } end })
      urls = { nodes[1].url, nodes[2].url, nodes[3].url }
      left = { urls[1], urls[2] }
      nodes[3]:kill9()
    end)

    teardown(function()
      rig.stop(nodes[1])
      rig.stop(nodes[2])
    end)

    -- A key of the dead node, whose next owner is the first or the second.
    local last = 0
    local function key_of(i)
      while true do
        last = last + 1
        local key = ("%d.of.the.dead"):format(last)
        if rig.owner(urls, key, dialect) == urls[3]
          and rig.owner(left, key, dialect) == urls[i] then
          return key
        end
      end
    end

    local function get(i, key)
      local res = assert(nodes[i]:get("g", key))
      assert.equal(200, res.status, res.body)
      return res.headers["x-cache"] .. " " .. res.body
    end

    it("loads the key for all, once", function()
      for i = 1, 2 do
        local other = 3 - i
        for _ = 1, 5 do
          local key = key_of(i)
          assert.equal(("peer %s@n%d"):format(key, i), get(other, key))
          assert.equal(("main %s@n%d"):format(key, i), get(i, key))
          assert.equal(1, r:calls()[key])
        end
      end
    end)

    it("alone keeps the value, also where hot is \"always\"", function()
      local key = key_of(2)
      get(1, key)
      assert.equal(("peer %s@n2"):format(key), get(1, key))
    end)

    it("is told of a change", function()
      for _, asked in ipairs { 1, 2 } do
        local key = key_of(2)
        get(1, key)
        get(2, key)
        local res = assert(nodes[asked]:request { method = "DELETE", target = "/cache/g/" .. key })
        assert.same({ 502, "PEER" }, { res.status, cjson.decode(res.body).code })
        assert.matches("1 node did not confirm, the first is " .. urls[3], res.body, 1, true)
        get(1, key)
        assert.equal(2, r:calls()[key])
      end
    end)
  end)
end

describe("of two dead nodes' keys", function()
  it("the node that is left loads all, without a failed request", function()
    local r = rig.new()
    local nodes = node.cluster(3, { script = r:script(SCRIPT),
      each = function(i, mine) mine.env = { NODE = "n" .. i } end })
    nodes[2]:kill9()
    nodes[3]:kill9()
    for i = 1, 50 do
      assert.equal("k" .. i .. "@n1", assert(nodes[1]:get("g", "k" .. i)).body)
    end
    eventually(function()
      local states = {}
      for i, peer in ipairs(nodes[1]:stats().peers) do
        states[i] = peer.state
      end
      return states[1] == "fine" and states[2] ~= "fine" and states[3] ~= "fine"
    end)
    rig.stop(nodes[1])
  end)
end)
