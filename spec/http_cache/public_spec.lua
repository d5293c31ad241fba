-- SPDX-License-Identifier: MIT

-- groupcache.http.cache in front of an origin, by the cases of the public suite: on one node, on
-- three nodes that are asked in turn, and as the front of a node.

local cases = require "http_cache.cases"
local node = require "support.node"
local rig = require "node.rig"
local suite = require "http_cache.suite"
local tmp = require "support.tmp"

local SCRIPT = [[
local groupcache = require "groupcache"
groupcache.group("site", groupcache.http.cache(os.getenv "ORIGIN"))
]]

local WITH_STATUS = [[
local groupcache = require "groupcache"
groupcache.group("site", groupcache.http.cache(os.getenv "ORIGIN", { cache_status = true }))
]]

local TRIALS = 3 -- on a busy machine two nodes may load a key, and answers come late

-- What a case's result should not be, or nil.
local function wrong(case, result)
  if case.either then
    return nil
  elseif case.fails then
    return result == true and "it passes, and its `fails` says that it does not: " .. case.fails
  end
  return result ~= true and tostring(result)
end

-- "required 160 of 160, optional ..."
local function summary(results)
  local words = {}
  for _, kind in ipairs { "required", "optional", "check", "own" } do
    local good, all = 0, 0
    for _, case in ipairs(cases) do
      if case.kind == kind then
        all = all + 1
        good = good + (results[case.id] == true and 1 or 0)
      end
    end
    words[#words + 1] = ("%s %d of %d"):format(kind, good, all)
  end
  return table.concat(words, ", ")
end

local function check(where, bases)
  local results, again = {}, cases
  for _ = 1, TRIALS do
    for id, result in pairs(suite.run(again, bases)) do
      results[id] = result
    end
    again = {}
    for _, case in ipairs(cases) do
      again[#again + 1] = wrong(case, results[case.id]) and case or nil
    end
  end
  print(("%s: %s"):format(where, summary(results)))
  local lines = {}
  for i, case in ipairs(again) do
    lines[i] = ("%s %s: %s"):format(case.kind, case.id, wrong(case, results[case.id]))
  end
  assert(#lines == 0, table.concat(lines, "\n"))
end

describe("the page about HTTP caches", function()
  it("says how many of the public cases pass, and names those that do not", function()
    local page = tmp.read("docs/http-cache.md"):gsub("%s+", " ")
    local passed, all = {}, {}
    for _, case in ipairs(cases) do
      local public = case.kind == "required" or case.kind == "optional"
      local pass = not case.fails
      all[case.kind] = (all[case.kind] or 0) + 1
      passed[case.kind] = (passed[case.kind] or 0) + (pass and 1 or 0)
      if public and not pass then
        local id = case.id:gsub("^(partial%-store%-partial%-reuse%-partial)%-.*", "%1")
        assert.truthy(page:find("`" .. id .. "`", 1, true), id)
      end
    end
    assert.truthy(page:find(("**%d of %d** required and **%d of %d** optional"):format(
      passed.required, all.required, passed.optional, all.optional), 1, true))
  end)
end)

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
    check("one node", { nodes[1].url .. "/cache/site" })
  end)

  it("passes them as the front of a node, which has all paths but its own", function()
    nodes = { node.start { script = WITH_STATUS, env = { ORIGIN = origin.url },
      args = { "--front", "site" } } }
    check("the front of a node", { nodes[1].url })
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
    check("three nodes", bases)
  end)
end)
