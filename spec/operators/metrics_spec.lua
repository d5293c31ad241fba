-- SPDX-License-Identifier: MIT

-- /metrics: the figures of /stats for Prometheus.

local http = require "support.http"
local node = require "support.node"
local prometheus = require "support.prometheus"
local rig = require "node.rig"
local socket = require "socket"
local tmp = require "support.tmp"

local only_with_prometheus = require "sources.with"(prometheus, it, function(why) pending(why) end)

-- The samples of a text: { name =, labels =, value =, series = }, in their order.
local function samples(text)
  local list = {}
  for line in text:gmatch "[^\n]+" do
    if line:sub(1, 1) ~= "#" then
      local series, value = line:match "^(.*) ([^ ]+)$"
      list[#list + 1] = { series = series, value = tonumber(value),
        name = series:match "^[%w_]+", labels = series:match "{(.*)}$" }
    end
  end
  return list
end

local function metrics(n)
  local res = assert(n:request { target = "/metrics" })
  assert.equal(200, res.status)
  return res.body, res
end

local function value_of(text, series)
  for _, s in ipairs(samples(text)) do
    if s.series == series then
      return s.value
    end
  end
end

-- The name of the family that a sample belongs to.
local function family(name)
  return (name:gsub("_bucket$", ""):gsub("_sum$", ""):gsub("_count$", ""))
end

local ODD = [[
local groupcache = require "groupcache"
local function getter(key) return key end
groupcache.group("plain", { getter = getter })
groupcache.group('quote" back\\slash\nline', { getter = getter })
groupcache.group("\xff\xfe\x01 100% gr\xc3\xbcn \xc3", { getter = getter })
groupcache.group("a\xff", { getter = getter })
groupcache.group("a%FF", { getter = getter })
]]

describe("/metrics", function()
  local n

  setup(function()
    n = node.start { script = ODD }
    for i = 1, 20 do
      assert.equal(200, n:get("plain", "k" .. i % 10).status)
    end
  end)

  teardown(function()
    rig.stop(n)
  end)

  only_with_prometheus("passes promtool check metrics without a word", function()
    local r = prometheus.promtool({ "check", "metrics" }, metrics(n))
    assert.same({ 0, "", "" }, { r.code, r.stdout, r.stderr })
  end)

  it("is text of Prometheus' format, whatever the client accepts", function()
    local res = assert(n:request { target = "/metrics",
      headers = { Accept = "application/openmetrics-text;version=1.0.0,*/*;q=0.1",
        ["Accept-Encoding"] = "gzip" } })
    assert.equal("text/plain; version=0.0.4; charset=utf-8", res.headers["content-type"])
    assert.is_nil(res.headers["content-encoding"])
  end)

  it("has no line twice, and the lines of a metric together, behind their type", function()
    local text = metrics(n)
    local seen, ended, last = {}, {}, nil
    for _, s in ipairs(samples(text)) do
      assert.is_nil(seen[s.series], s.series)
      seen[s.series] = true
      local name = family(s.name)
      if name ~= last then
        assert.is_nil(ended[name], name .. " is in two places")
        ended[last or ""] = true
        last = name
        assert.truthy(text:find("# TYPE " .. name .. " ", 1, true), name)
        assert.truthy(text:find("# HELP " .. name .. " ", 1, true), name)
      end
    end
  end)

  it("escapes names of any bytes, so that all of it is UTF-8 and no two are the same", function()
    local text, groups = metrics(n), {}
    for _, s in ipairs(samples(text)) do
      if s.name == "groupcache_gets_total" then
        groups[#groups + 1] = s.labels
      end
    end
    assert.same({ 'group="plain"', [[group="quote\" back\\slash\nline"]],
      'group="%FF%FE%01 100%25 grün %C3"', 'group="a%FF"', 'group="a%25FF"' }, groups)
  end)

  it("says what /stats says, under the names of Go's exporters", function()
    local g, text = n:stats().groups.plain, metrics(n)
    for name, metric in pairs { gets = "gets", cache_hits = "hits", loads = "loads",
      loads_deduped = "loads_deduped", local_loads = "local_loads",
      local_load_errs = "local_load_errs", peer_loads = "peer_loads", peer_errors = "peer_errors",
      server_requests = "server_requests" } do
      local series = 'groupcache_' .. metric .. '_total{group="plain"}'
      assert.equal(g[name], value_of(text, series), name)
    end
    for _, type in ipairs { "main", "hot" } do
      local labels = ('{group="plain",type="%s"}'):format(type)
      for name, value in pairs(g[type]) do
        local metric = "groupcache_cache_" .. name
        assert.equal(value, value_of(text, metric .. labels)
          or value_of(text, metric .. "_total" .. labels), name)
      end
    end
    assert.equal(20, g.gets)
    assert.equal(10, g.cache_hits)
  end)

  it("follows the list of counters: none of them is missing", function()
    local text = metrics(n)
    for file, form in pairs { ["src/cache/stats.h"] = 'groupcache_%s_total{group="plain"}',
      ["src/http/tally.h"] = "groupcache_http_%s_total" } do
      local source = tmp.read(file):match "_COUNTERS%(X%)(.-)\n\n"
      for name in source:gmatch "X%(([%w_]+), " do
        name = name == "cache_hits" and "hits" or name
        assert.truthy(value_of(text, form:format(name)), name)
      end
    end
  end)

  it("counts the times of getters, waits and requests", function()
    local text = metrics(n)
    local load = 'groupcache_load_duration_seconds_%s{group="plain",source="local"%s}'
    assert.equal(10, value_of(text, load:format("count", "")))
    assert.equal(10, value_of(text, load:format("bucket", ',le="+Inf"')))
    assert.is_true(value_of(text, load:format("sum", "")) > 0)
    assert.equal(10, value_of(text, 'groupcache_wait_duration_seconds_count{group="plain"}'))
    local requests = 'groupcache_request_duration_seconds_count{face="clients"}'
    assert.is_true(value_of(text, requests) >= 10)
    local before = 0
    for _, s in ipairs(samples(text)) do
      if s.name == "groupcache_load_duration_seconds_bucket"
        and s.labels:find('group="plain",source="local"', 1, true) then
        assert.is_true(s.value >= before, s.series)
        before = s.value
      end
    end
  end)

  it("counts a sixteenth of the requests that are answered at once, for all of them", function()
    local before = value_of(metrics(n), 'groupcache_request_duration_seconds_count{face="clients"}')
    for _ = 1, 320 do
      n:get("plain", "k1")
    end
    local grew = value_of(metrics(n), 'groupcache_request_duration_seconds_count{face="clients"}')
      - before
    -- each HTTP thread counts by itself, and requests of operators are counted as well
    assert.is_true(grew >= 160 and grew <= 480, "counted " .. grew)
  end)

  it("says what the process has and what its memory may be", function()
    local text = metrics(n)
    assert.near(os.time(), value_of(text, "process_start_time_seconds"), 120)
    assert.is_true(value_of(text, "process_open_fds") > 5)
    assert.is_true(value_of(text, "process_max_fds") > value_of(text, "process_open_fds"))
    assert.is_true(value_of(text, "process_resident_memory_bytes") > 1e6)
    assert.equal(5 * 64000000, value_of(text, 'groupcache_memory_budget_bytes{part="caches"}'))
    assert.equal(1, value_of(text, "groupcache_ready"))
    assert.matches('groupcache_build_info{version="%d+%.%d+%.%d+"} 1\n', text)
  end)

  it("is not for clients: a port of theirs has none of the operators' paths", function()
    local admin = require("support.ports").free()
    local other = node.start { args = { "--admin-listen", "127.0.0.1:" .. admin }, script = ODD }
    for _, target in ipairs { "/metrics", "/peers/http_sd" } do
      assert.equal(404, other:request({ target = target }).status)
      assert.equal(200, http.request({ port = admin, target = target }).status)
    end
    rig.stop(other)
  end)
end)

describe("/metrics of a node among peers", function()
  it("has the state of each peer, its part of the keys, and a group's own peers", function()
    local nodes = node.cluster(3, { script = [[
      local groupcache = require "groupcache"
      groupcache.group("g", { getter = function(key) return key end })
      groupcache.group("own", { peers = { "http://127.0.0.1:1", os.getenv "SELF" },
        getter = function(key) return key end })
    ]], each = function(_, opts) opts.env = { SELF = opts.self } end })
    nodes[3]:kill9()
    for i = 1, 60 do
      nodes[1]:get("g", "k" .. i)
    end
    local text = metrics(nodes[1])
    local up, share, states = {}, 0, 0
    for _, s in ipairs(samples(text)) do
      states = states + (s.name == "groupcache_peer_state" and s.value or 0)
    end
    assert.equal(5, states) -- one of each peer: three, and two of the group
    for i = 1, 3 do
      local labels = ('{peer="%s"}'):format(nodes[i].url)
      up[i] = value_of(text, "groupcache_peer_up" .. labels)
      share = share + value_of(text, "groupcache_peer_ring_ratio" .. labels)
    end
    local own = value_of(text, 'groupcache_peer_up{group="own",peer="http://127.0.0.1:1"}')
    local answers = value_of(text,
      ('groupcache_peer_node_loads_total{peer="%s"}'):format(nodes[2].url))
    local timed = value_of(text,
      'groupcache_load_duration_seconds_count{group="g",source="peer"}')
    rig.stop(nodes[1])
    rig.stop(nodes[2])
    assert.same({ 1, 1, 0 }, up)
    assert.near(1, share, 1e-5)
    assert.equal(1, own)
    assert.is_true(answers > 0)
    assert.is_true(timed >= answers)
  end)

  it("is made at once for 1000 groups and 100 peers", function()
    local n = node.start { script = [[
      local groupcache = require "groupcache"
      for i = 1, 1000 do
        groupcache.group("group " .. i, { getter = function(key) return key end })
      end
      local peers = { os.getenv "SELF" }
      for i = 1, 99 do
        peers[#peers + 1] = "http://127.0.0.2:" .. i
      end
      return { peers = peers, self = peers[1] }
    ]], env = { SELF = "http://127.0.0.1:7" } }
    local best, text = math.huge, nil
    for _ = 1, 5 do
      local from = socket.gettime()
      text = metrics(n)
      best = math.min(best, socket.gettime() - from)
    end
    rig.stop(n)
    assert.equal(1000, select(2, text:gsub("\ngroupcache_gets_total{", "")))
    assert.equal(100, select(2, text:gsub("\ngroupcache_peer_up{", "")))
    assert.is_true(best < 0.5, ("%g s"):format(best)) -- some 0.03 s
  end)
end)

describe("/peers/http_sd", function()
  local function targets(n)
    local res = assert(n:request { target = "/peers/http_sd" })
    assert.same({ 200, "application/json" }, { res.status, res.headers["content-type"] })
    return require("cjson").decode(res.body)
  end

  it("names the operators' ports of all nodes, as far from their own as here", function()
    local n = node.start { script = [[
      require("groupcache").group("g", { getter = function(key) return key end })
      return { self = "http://[::1]:80",
        peers = { "http://[::1]:80", "http://b.example:8080", "https://c.example" } }
    ]] }
    local seen = targets(n)
    rig.stop(n)
    local far = n.port - 80
    assert.same({ { targets = { "[::1]:" .. n.port, "b.example:" .. 8080 + far,
      "c.example:" .. 443 + far } } }, seen)
  end)

  it("names a node that is alone", function()
    local n = node.start { script = ODD }
    local seen = targets(n)
    rig.stop(n)
    assert.same({ { targets = { "127.0.0.1:" .. n.port } } }, seen)
  end)
end)
