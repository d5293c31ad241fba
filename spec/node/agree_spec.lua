-- SPDX-License-Identifier: MIT

-- Nodes whose rings are made of different settings notice it, name what differs in their logs, once
-- and on both sides, and show it in /stats.

local faults = require "support.faults"
local node = require "support.node"
local ports = require "support.ports"
local rig = require "node.rig"

local SCRIPT = [[
local groupcache = require "groupcache"
groupcache.group("g", { hot = "never", getter = function(key) return key end })
]]

local KEYS = 40

-- Two nodes with more arguments each, which may each have a list of their own.
local function start(more)
  local urls, at, nodes = {}, {}, {}
  for i = 1, 2 do
    at[i] = ports.free()
    urls[i] = "http://127.0.0.1:" .. at[i]
  end
  for i = 1, 2 do
    local f = assert(faults.new())
    local o = more[i] or {}
    nodes[i] = node.start { port = at[i], script = SCRIPT, self = urls[i], env = f.env,
      peers = o.peers and o.peers(urls) or urls, args = o.args, ready = false }
    nodes[i].faults = f
  end
  for _, n in ipairs(nodes) do
    rig.wait(n, function() return (n:request { target = "/readyz" } or {}).status == 200 end, 15)
  end
  return nodes, urls
end

local function ask(n, name)
  for i = 1, KEYS do
    assert.equal(200, n:get("g", name .. i).status)
  end
end

local function later(nodes, seconds)
  for _, n in ipairs(nodes) do
    n.faults:advance(seconds)
  end
end

local function lines(n)
  local found = {}
  for line in n:log():gmatch "[^\n]+" do
    found[#found + 1] = line:match 'nodes have different rings.*peer="?([^" ]*)'
  end
  return found
end

-- What is set at the second node, what the first says of it, what the second says of the first.
local CASES = {
  { "replicas", { args = { "--replicas", "7" } }, "replicas 50 here and 7 there",
    "replicas 7 here and 50 there" },
  { "the hash", { args = { "--hash", "fnv1-32" } }, "hash crc32 here and fnv1-32 there",
    "hash fnv1-32 here and crc32 there" },
  { "the dialect", { args = { "--dialect", "mailgun" } }, "dialect golang here and mailgun there",
    "dialect mailgun here and golang there" },
  { "base_path", { args = { "--base-path", "/other/" } }, "base_path", "base_path" },
  { "the number of peers", { peers = function(urls)
    return { urls[1], urls[2], "http://127.0.0.1:1" }
  end }, "2 peers here and 3 there", "3 peers here and 2 there" },
}

for _, case in ipairs(CASES) do
  local what, second, first_says, second_says = case[1], case[2], case[3], case[4]

  describe(("nodes that differ in %s"):format(what), function()
    local nodes, urls

    setup(function() nodes, urls = start { nil, second } end)
    teardown(function() rig.stop_all(nodes) end)

    it("show it in /stats, and log it once on both sides when it lasts", function()
      for round = 1, 4 do
        ask(nodes[1], "a" .. round)
        assert.equal("differs", rig.peer(nodes[1], urls[2]).view)
        assert.equal("differs", rig.peer(nodes[2], urls[1]).view)
        if round == 1 then
          assert.same({ {}, {} }, { lines(nodes[1]), lines(nodes[2]) })
        end
        later(nodes, 3)
      end
      assert.truthy(rig.peer(nodes[1], urls[2]).differs:find(first_says, 1, true),
        rig.peer(nodes[1], urls[2]).differs)
      assert.truthy(rig.peer(nodes[2], urls[1]).differs:find(second_says, 1, true),
        rig.peer(nodes[2], urls[1]).differs)
      assert.same({ urls[2] }, lines(nodes[1]))
      assert.same({ urls[1] }, lines(nodes[2]))
      assert.truthy(nodes[1]:log():find(first_says, 1, true))
      assert.truthy(nodes[2]:log():find(second_says, 1, true))
    end)
  end)
end

describe("a node that is not in the list of the node it asks", function()
  local nodes, urls

  setup(function()
    nodes, urls = start { nil, { peers = function(all) return { all[2] } end } }
  end)
  teardown(function() rig.stop_all(nodes) end)

  it("is named in that node's log", function()
    for round = 1, 3 do
      ask(nodes[1], "a" .. round)
      later(nodes, 3)
    end
    assert.same({ urls[1] }, lines(nodes[2]))
    assert.truthy(nodes[2]:logged "listed=no differs=\"1 peers here and 2 there\"")
    assert.same({ urls[2] }, lines(nodes[1]))
  end)
end)

describe("nodes with the same list in another order", function()
  local nodes, urls

  setup(function()
    nodes, urls = start { nil, { peers = function(all) return { all[2], all[1] } end } }
  end)
  teardown(function() rig.stop_all(nodes) end)

  it("agree", function()
    assert.equal("unknown", rig.peer(nodes[1], urls[2]).view)
    for round = 1, 3 do
      ask(nodes[1], "a" .. round)
      later(nodes, 3)
    end
    assert.equal("same", rig.peer(nodes[1], urls[2]).view)
    assert.is_nil(rig.peer(nodes[1], urls[2]).differs)
    assert.same({ {}, {} }, { lines(nodes[1]), lines(nodes[2]) })
  end)
end)

describe("nodes that agree after a while", function()
  local nodes, urls

  setup(function()
    nodes, urls = start { nil, { peers = function(all)
      return { all[1], all[2], "http://127.0.0.1:1" }
    end } }
  end)
  teardown(function() rig.stop_all(nodes) end)

  it("say so, too", function()
    for round = 1, 3 do
      ask(nodes[1], "a" .. round)
      later(nodes, 3)
    end
    assert.equal("differs", rig.peer(nodes[1], urls[2]).view)
    rig.stop(nodes[2])
    nodes[2] = node.start { port = nodes[2].port, script = SCRIPT, self = urls[2], peers = urls,
      env = nodes[2].faults.env }
    rig.wait(nodes[1], function()
      ask(nodes[1], "b" .. math.random(1e9) .. "-")
      later({ nodes[1] }, 1)
      return rig.peer(nodes[1], urls[2]).view == "same"
    end, 20)
    assert.truthy(nodes[1]:logged "nodes have the same ring again")
    assert.equal(1, #lines(nodes[1]))
  end)
end)
