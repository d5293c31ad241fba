-- SPDX-License-Identifier: MIT

-- groupcache.http.cache in front of an origin, by the cases of the public suite: on one node, on
-- three nodes that are asked in turn, and as the front of a node.

local cases = require "http_cache.cases"
local node = require "support.node"
local rig = require "node.rig"
local suite = require "http_cache.suite"

local SCRIPT = [[
local groupcache = require "groupcache"
groupcache.group("site", groupcache.http.cache(os.getenv "ORIGIN",
  { cache_status = true }))
]]

local function count(results, optional)
  local good, all, wrong = 0, 0, {}
  for _, case in ipairs(cases) do
    if case.optional == optional then
      all = all + 1
      if results[case.id] == true then
        good = good + 1
      else
        wrong[#wrong + 1] = case.id .. ": " .. tostring(results[case.id])
      end
    end
  end
  return good, all, table.concat(wrong, "\n")
end

local function check(results)
  local good, all, wrong = count(results, false)
  assert(good == all, ("%d of %d that RFC 9111 asks for\n%s"):format(good, all, wrong))
  good, all, wrong = count(results, true)
  assert(good == all, ("%d of %d that it allows\n%s"):format(good, all, wrong))
end

describe("an HTTP cache", function()
  local origin, nodes

  before_each(function()
    origin, nodes = suite.origin(), {}
  end)

  after_each(function()
    rig.stop_all(nodes)
    origin:stop()
  end)

  it("passes the public cases on one node", function()
    nodes = { node.start { script = SCRIPT, env = { ORIGIN = origin.url } } }
    check(suite.run(cases, { nodes[1].url .. "/cache/site" }))
  end)

  it("passes them as the front of a node, which has all paths but its own", function()
    nodes = { node.start { script = SCRIPT, env = { ORIGIN = origin.url },
      args = { "--front", "site" } } }
    check(suite.run(cases, { nodes[1].url }))
    assert.equal("ok\n", nodes[1]:request { target = "/healthz" }.body)
    assert.equal(404, nodes[1]:request { target = "/" }.status) -- the origin's word
    assert.equal(200, nodes[1]:request { target = "/stats" }.status)
  end)

  it("passes them on three nodes that are asked in turn", function()
    nodes = node.cluster(3, { script = SCRIPT, env = { ORIGIN = origin.url } })
    local bases = {}
    for i, n in ipairs(nodes) do
      bases[i] = n.url .. "/cache/site"
    end
    check(suite.run(cases, bases))
  end)
end)
