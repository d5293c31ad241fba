-- SPDX-License-Identifier: MIT

-- A node that was out of all lists for a while, and ran on, had missed the changes of that time. As
-- it was listed again, it owned its keys again, with the old values. Now the nodes that list it
-- tell it first of what was changed meanwhile. They remember 16384 changes of a group.

local node = require "support.node"
local ports = require "support.ports"
local rig = require "node.rig"

local SCRIPT = [[
local groupcache = require "groupcache"
local g = groupcache.group("g", { hot = "never", writable = true, getter = function(key)
  local f = assert(io.open(rig.dir .. "/version"))
  local version = f:read "*a"
  f:close()
  return version
end })
-- The key is a number: so many other keys are removed.
groupcache.group("remover", { local_only = true, getter = function(count)
  for from = 1, tonumber(count), 6000 do
    local keys = {}
    for i = from, math.min(from + 5999, tonumber(count)) do
      keys[#keys + 1] = "other" .. i
    end
    assert(g:remove_many(keys))
  end
  return "done"
end })
return { workers = 1, peers = dofile(rig.dir .. "/peers-" .. os.getenv "NODE") }
]]

describe("a node that joins again", function()
  local r, nodes, urls

  local function set_list(i, members)
    r:file("peers-" .. i, rig.list_text(urls, members))
  end

  local function reload(n)
    local _, before = n:log():gsub("msg=\"?reloaded", "")
    n:signal "SIGHUP"
    rig.wait(n, function()
      local _, now = n:log():gsub("msg=\"?reloaded", "")
      return now > before
    end, 10)
  end

  before_each(function()
    r, nodes, urls = rig.new(), {}, {}
    local at = {}
    for i = 1, 2 do
      at[i] = ports.free()
      urls[i] = "http://127.0.0.1:" .. at[i]
    end
    r:file("version", "old")
    for i = 1, 2 do
      set_list(i, { 1, 2 })
      nodes[i] = node.start { port = at[i], self = urls[i], script = r:script(SCRIPT),
        env = { NODE = tostring(i) } }
    end
  end)

  after_each(function() rig.stop_all(nodes) end)

  local function get(n, key)
    return assert(n:get("g", key)).body
  end

  local cases = {
    { "and keeps all others if some keys were", removals = 0, flushes = 0 },
    { "and keeps all others if 12,001 keys were", removals = 12000, flushes = 0 },
    { "if more keys were than a node remembers", removals = 18000, flushes = 1 },
  }
  for _, case in ipairs(cases) do
    it(("has no old value, %s removed meanwhile"):format(case[1]), function()
      local key = rig.owned_by(urls, urls[2], "k")
      local other = rig.owned_by(urls, urls[2], "untouched")
      assert.equal("old", get(nodes[1], key))
      assert.equal("old", get(nodes[1], other))
      set_list(1, { 1 })
      reload(nodes[1])
      r:file("version", "new")
      assert.equal(204, nodes[1]:get("g", key, { method = "DELETE" }).status)
      assert.equal("done", assert(nodes[1]:get("remover", tostring(case.removals))).body)
      assert.equal("old", get(nodes[2], key)) -- nobody has told it
      set_list(1, { 1, 2 })
      reload(nodes[1])
      assert.equal("new", get(nodes[1], key))
      rig.wait(nodes[1], function()
        local res = assert(nodes[1]:get("g", key .. math.random(1e9)))
        return res.headers["x-cache"] == "peer"
      end, 10, "the node is admitted")
      assert.equal("new", get(nodes[1], key))
      assert.equal("new", get(nodes[2], key))
      assert.equal(case.flushes, nodes[2]:stats().groups.g.flushes)
      assert.equal(case.flushes == 0 and "old" or "new", get(nodes[1], other))
    end)
  end
end)
