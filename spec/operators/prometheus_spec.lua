-- SPDX-License-Identifier: MIT

-- examples/prometheus/ with a real Prometheus, which is told of three real nodes by one of them.

local cjson = require "cjson"
local eventually = require "support.eventually"
local node = require "support.node"
local prometheus = require "support.prometheus"
local rig = require "node.rig"
local tmp = require "support.tmp"

local only_with_prometheus = require "sources.with"(prometheus, it, function(why) pending(why) end)

local FOLDER = "examples/prometheus/"

local CONFIG = [[
global:
  scrape_interval: 500ms
  evaluation_interval: 1s
rule_files: [rules.yml]
scrape_configs:
  - job_name: groupcache
    http_sd_configs: [{url: "%s/peers/http_sd", refresh_interval: 1s}]
]]

-- Every query of the dashboard, with its variables filled in.
local function queries()
  local list = {}
  for _, panel in ipairs(cjson.decode(tmp.read(FOLDER .. "dashboard.json")).panels) do
    for _, target in ipairs(panel.targets or {}) do
      list[#list + 1] = target.expr:gsub("%$__rate_interval", "10s"):gsub("%$%a+", ".*")
    end
  end
  return list
end

-- The queries of the rules.
local function rules()
  local text, list = tmp.read(FOLDER .. "rules.yml"), {}
  text = text:gsub("expr: |\n(.-)\n        (%l+):", function(query, next)
    return "expr: " .. query:gsub("%s+", " ") .. "\n        " .. next .. ":"
  end)
  for query in text:gmatch "expr: ([^\n]+)" do
    list[#list + 1] = query
  end
  return list
end

describe("examples/prometheus", function()
  only_with_prometheus("has a configuration and rules that promtool takes", function()
    for _, words in ipairs { { "check", "config", FOLDER .. "prometheus.yml" },
      { "check", "rules", FOLDER .. "rules.yml" },
      { "test", "rules", FOLDER .. "rules_test.yml" } } do
      local r = prometheus.promtool(words)
      assert.equal(0, r.code, r.stdout .. r.stderr)
    end
  end)

  it("has a dashboard with panels in a grid, and a variable for each name in a query", function()
    local board = cjson.decode(tmp.read(FOLDER .. "dashboard.json"))
    local ids, known = {}, { __rate_interval = true }
    for _, variable in ipairs(board.templating.list) do
      known[variable.name] = true
    end
    for _, panel in ipairs(board.panels) do
      assert.is_nil(ids[panel.id])
      ids[panel.id] = true
      assert.is_true(panel.gridPos.x + panel.gridPos.w <= 24, panel.title)
      for _, target in ipairs(panel.targets or {}) do
        for name in target.expr:gmatch "%$([%w_]+)" do
          assert.is_true(known[name], name)
        end
      end
    end
    assert.equal(cjson.null, board.id)
    assert.is_true(#board.uid <= 40)
  end)

  describe("with three nodes", function()
    local nodes, server

    setup(function()
      if prometheus.missing then
        return
      end
      nodes = node.cluster(3, { script = [[
        local groupcache = require "groupcache"
        groupcache.group("g", { cache_bytes = "1MB", getter = function(key) return key end })
        groupcache.group('odd "name"\n\xff', { getter = function(key) return key end })
      ]] })
      server = prometheus.start(CONFIG:format(nodes[1].url), tmp.read(FOLDER .. "rules.yml"))
    end)

    teardown(function()
      if server then
        server:stop()
        rig.stop(nodes[1])
        rig.stop(nodes[2])
      end
    end)

    only_with_prometheus("finds all of them through one, and can read each", function()
      eventually(function()
        local up = 0
        for _, target in ipairs(server:targets()) do
          assert(target.lastError == "", target.lastError)
          up = up + (target.health == "up" and 1 or 0)
        end
        return up == 3
      end, 30, "three targets are up")
    end)

    only_with_prometheus("has an answer to each query of the dashboard", function()
      local list = queries()
      assert.is_true(#list > 30)
      for _, query in ipairs(list) do
        eventually(function()
          for i, n in ipairs(nodes) do
            n:get("g", "k" .. i)
          end
          return #server:ask(query) > 0
        end, 30, query)
      end
    end)

    only_with_prometheus("knows all that the rules ask for", function()
      local list = rules()
      assert.is_true(#list >= 13)
      for _, query in ipairs(list) do
        server:ask(query)
        for name in query:gmatch "[%w_:]+" do
          if name:find "groupcache_" then
            eventually(function() return #server:ask(name) > 0 end, 30, name)
          end
        end
      end
    end)

    only_with_prometheus("tells that a node is down, and who is without it", function()
      nodes[3]:kill9()
      eventually(function()
        for i = 1, 40 do
          nodes[1]:get("g", "x" .. i .. os.clock())
        end
        local down = server:ask 'up{job="groupcache"} == 0'
        local lost = server:ask(('groupcache_peer_up{peer="%s"} == 0'):format(nodes[3].url))
        return #down == 1 and #lost >= 1
      end, 30, "the node is seen to be down")
    end)
  end)
end)
