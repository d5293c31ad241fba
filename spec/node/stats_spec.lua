-- SPDX-License-Identifier: MIT

-- What operators and load balancers see, and the manners of HTTP.

local cjson = require "cjson"
local eventually = require "support.eventually"
local http = require "support.http"
local node = require "support.node"
local ports = require "support.ports"
local rig = require "node.rig"

local SCRIPT = [[
local groupcache = require "groupcache"
groupcache.group("g", {
  timeout = 30,
  content_type = "text/x-thing; charset=utf-8",
  getter = function(key)
    if key:find "^none" then return nil end
    if key:find "^bad" then return nil, "no luck" end
    if key:find "^held" then rig.gate(key) end
    return "v:" .. key
  end,
})
groupcache.group("odd \"name\"\n", { cache_bytes = "1MB", getter = function() return "" end })
groupcache.group("few", {
  timeout = 30,
  max_waiting = 1,
  getter = function(key)
    rig.record(key)
    rig.gate "few"
    return key
  end,
})
]]

-- Go's, in the order of groupcache.Stats.
local COUNTERS = { "gets", "cache_hits", "peer_loads", "peer_errors", "loads", "loads_deduped",
  "local_loads", "local_load_errs", "server_requests" }
local CACHE = { "bytes", "items", "gets", "hits", "evictions" }

describe("a node", function()
  local r, n

  setup(function()
    r = rig.new()
    n = node.start { script = r:script(SCRIPT) }
  end)

  teardown(function()
    rig.stop(n)
  end)

  describe("at /stats", function()
    it("gives JSON with all counters of every group, whole numbers each", function()
      local res = assert(n:request { target = "/stats" })
      assert.same({ 200, "application/json" }, { res.status, res.headers["content-type"] })
      local stats = cjson.decode(res.body)
      assert.equal(n.process.pid, stats.pid)
      assert.equal(n.url, stats.self)
      assert.matches("^%d+%.%d+%.%d+$", stats.version)
      assert.is_true(stats.uptime_ms >= 0)
      assert.is_true(stats.workers.vms >= 1)
      assert.same({}, stats.peers)
      local names = {}
      for name, group in pairs(stats.groups) do
        names[#names + 1] = name
        for _, counter in ipairs(COUNTERS) do
          assert.equal("number", type(group[counter]), counter)
          assert.equal(0, group[counter] % 1)
        end
        for _, cache in ipairs { "main", "hot" } do
          for _, counter in ipairs(CACHE) do
            assert.equal("number", type(group[cache][counter]), cache .. "." .. counter)
          end
        end
        assert.equal(0, group.flights)
        assert.equal(0, group.waiters)
      end
      table.sort(names)
      assert.same({ "few", "g", 'odd "name"\n' }, names)
      assert.equal(1000000, stats.groups['odd "name"\n'].cache_bytes)
    end)

    it("counts as Go does", function()
      local before = n:stats().groups.g
      local function differences()
        local now, out = n:stats().groups.g, {}
        for _, counter in ipairs(COUNTERS) do
          out[counter] = now[counter] - before[counter]
        end
        before = now
        return out
      end
      local function counts(given)
        local all = {}
        for _, counter in ipairs(COUNTERS) do
          all[counter] = given[counter] or 0
        end
        return all
      end

      assert(n:get("g", "counted"))
      assert.same(counts { gets = 1, loads = 1, loads_deduped = 1, local_loads = 1 }, differences())
      assert(n:get("g", "counted"))
      assert.same(counts { gets = 1, cache_hits = 1 }, differences())
      assert(n:get("g", "none"))
      assert.same(counts { gets = 1, loads = 1, loads_deduped = 1, local_load_errs = 1 },
        differences())
      assert(n:get("g", "bad"))
      assert.same(counts { gets = 1, loads = 1, loads_deduped = 1, local_load_errs = 1 },
        differences())
      assert(n:request { target = "/_groupcache/g/counted" })
      assert.same(counts { gets = 1, cache_hits = 1, server_requests = 1 }, differences())
      assert(n:request { target = "/_groupcache/g/counted-anew" })
      assert.same(counts { gets = 1, loads = 1, loads_deduped = 1, local_loads = 1,
        server_requests = 1 }, differences())

      local fns = {}
      for i = 1, 10 do
        fns[i] = function()
          assert(n:get("g", "held-together"))
        end
      end
      fns[11] = function()
        eventually(function() return n:stats().groups.g.waiters == 10 end)
        assert.equal(1, n:stats().groups.g.flights)
        r:open "held-together"
      end
      http.together(fns)
      assert.same(counts { gets = 10, loads = 10, loads_deduped = 1, local_loads = 1 },
        differences())
    end)

    it("knows what its caches hold", function()
      local before = n:stats().groups['odd "name"\n'].main
      assert(n:get('odd "name"\n', "one"))
      assert(n:get('odd "name"\n', "one"))
      local after = n:stats().groups['odd "name"\n'].main
      assert.equal(before.items + 1, after.items)
      assert.is_true(after.bytes > before.bytes)
      assert.is_true(after.hits > before.hits)
      assert.equal(0, after.evictions)
    end)
  end)

  it("is alive and ready", function()
    local res = assert(n:request { target = "/healthz" })
    assert.same({ 200, "ok\n", "text/plain; charset=utf-8" },
      { res.status, res.body, res.headers["content-type"] })
    res = assert(n:request { target = "/readyz" })
    assert.same({ 200, "ready\n" }, { res.status, res.body })
  end)

  it("has nothing at other paths", function()
    for _, target in ipairs { "/stat", "/stats/", "/healthz/x", "/cache", "/_groupcache",
        "/cacheg/k", "//cache/g/k", "/debug/pprof", "/../etc/passwd" } do
      local res = assert(n:request { target = target })
      assert.equal(404, res.status, target)
      assert.equal("NOTFOUND", cjson.decode(res.body).code)
    end
  end)

  it("answers HEAD as GET, without the body", function()
    for _, target in ipairs { "/cache/g/headed", "/healthz", "/readyz", "/cache/g/none",
        "/cache/g/%zz", "/nothing", "/_groupcache/g/headed" } do
      local get = assert(n:request { target = target })
      local head = assert(n:request { target = target, method = "HEAD" })
      assert.equal(get.status, head.status, target)
      assert.equal("", head.body)
      assert.equal(tostring(#get.body), head.headers["content-length"])
      assert.equal(get.headers["content-type"], head.headers["content-type"])
    end
    local cold = assert(n:request { target = "/cache/g/cold", method = "HEAD" })
    assert.same({ 200, "6", "local" },
      { cold.status, cold.headers["content-length"], cold.headers["x-cache"] })
    assert.equal("main", assert(n:get("g", "cold")).headers["x-cache"])
  end)

  it("gives a value its group's content type", function()
    assert.equal("text/x-thing; charset=utf-8", assert(n:get("g", "k")).headers["content-type"])
    assert.equal("application/octet-stream",
      assert(n:get('odd "name"\n', "k")).headers["content-type"])
  end)

  it("answers other methods with 405, which says what is allowed", function()
    local function refused(methods, allow, targets)
      for _, method in ipairs(methods) do
        for _, target in ipairs(targets) do
          local res = assert(n:request { target = target, method = method })
          assert.equal(405, res.status, method)
          assert.equal(allow, res.headers.allow)
          assert.equal("INVAL", cjson.decode(res.body).code)
        end
      end
    end
    refused({ "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW" }, "GET, HEAD",
      { "/stats", "/healthz", "/readyz" })
    refused({ "POST", "PATCH", "OPTIONS", "TRACE", "BREW" }, "GET, HEAD, PUT, DELETE",
      { "/cache/g/k" })
    refused({ "PUT", "PATCH", "OPTIONS", "TRACE", "BREW" }, "POST, DELETE", { "/cache/g" })
  end)

  it("keeps a connection for any number of requests", function()
    local c = assert(http.connect(n.host, n.port))
    for i = 1, 200 do
      local res = assert(c:request { target = i % 3 == 0 and "/cache/g/none" or "/cache/g/k" .. i })
      assert.is_true(res.keep_alive)
    end
    c:close()
  end)

  it("closes it when asked to, and for HTTP/1.0", function()
    local res = assert(n:request { target = "/cache/g/k", headers = { Connection = "close" } })
    assert.is_false(res.keep_alive)
    local bytes, how = http.raw(n.host, n.port, "GET /cache/g/k HTTP/1.0\r\n\r\n")
    assert.equal("closed", how)
    assert.matches("v:k$", bytes)
  end)

  it("answers pipelined requests in their order, also behind one that waits", function()
    local requests = {}
    for i, key in ipairs { "held-first", "second", "none", "held-fourth", "fifth" } do
      requests[i] = ("GET /cache/g/%s HTTP/1.1\r\nHost: x\r\n\r\n"):format(key)
    end
    local bytes
    http.together {
      function()
        bytes = http.raw(n.host, n.port, table.concat(requests),
          { timeout = 10, until_bytes = "v:fifth" })
      end,
      function()
        eventually(function() return n:stats().groups.g.waiters == 1 end, 5, "the first waits")
        r:open "held-fourth" -- but that is not its turn
        r:open "held-first"
      end,
    }
    local seen = {}
    for what in bytes:gmatch "\r\n\r\n([^\r\n]*)" do
      local body = what:gsub("HTTP/1%.1.*$", "")
      seen[#seen + 1] = body:match '"code":"(%u+)"' or body
    end
    assert.same({ "v:held-first", "v:second", "NOTFOUND", "v:held-fourth", "v:fifth" }, seen)
  end)

  it("lets max_waiting getters of a group wait for a source; others wait their turn", function()
    local results, fns = {}, {}
    for i = 1, 3 do
      fns[i] = function()
        results[i] = assert(n:get("few", "k" .. i))
      end
    end
    fns[4] = function()
      eventually(function() return n:stats().groups.few.waiters == 3 end)
      rig.wait(n, function() return r:total() == 1 end)
      assert.equal(3, n:stats().groups.few.flights)
      assert.equal(1, r:total())
      r:open "few"
    end
    http.together(fns)
    for i = 1, 3 do
      assert.same({ 200, "k" .. i }, { results[i].status, results[i].body })
    end
    assert.equal(3, r:total())
  end)
end)

describe("admin_listen", function()
  it("takes /stats to a port of its own; the data port has none", function()
    local admin = ports.free()
    local n = node.start { args = { "--admin-listen", "127.0.0.1:" .. admin }, script = [[
      require("groupcache").group("g", { getter = function(key) return key end })
    ]] }
    local function status(port, target)
      return assert(http.request { port = port, target = target }).status
    end
    local seen = {}
    for _, target in ipairs { "/stats", "/cache/g/k", "/_groupcache/g/k", "/healthz", "/readyz" } do
      seen[#seen + 1] = ("%s %d %d"):format(target, status(n.port, target), status(admin, target))
    end
    local stopped = n:stop()
    assert.equal(0, stopped)
    assert.same({ "/stats 404 200", "/cache/g/k 200 404", "/_groupcache/g/k 200 404",
      "/healthz 200 200", "/readyz 200 200" }, seen)
    assert.matches('msg="listening for operators" addr=127.0.0.1:' .. admin, n:log(), 1, true)
  end)

  it("is 127.0.0.1 by default, on a port that is 1000 higher than that of clients", function()
    local port
    for _ = 1, 100 do
      port = ports.free()
      local socket = require("socket").tcp4()
      local free = port <= 64535 and socket:bind("127.0.0.1", port + 1000)
      socket:close()
      if free then
        break
      end
    end
    for host, here in pairs { ["0.0.0.0"] = 404, ["127.0.0.1"] = 200 } do
      local n = node.start { port = port, admin = false, args = { "--listen", host .. ":" .. port },
        script = [[
          require("groupcache").group("g", { getter = function(key) return key end })
        ]] }
      local on_data = assert(http.request { port = port, target = "/stats" }).status
      local on_admin = assert(http.request { port = port + 1000, target = "/stats" }).status
      rig.stop(n)
      assert.same({ here, 200 }, { on_data, on_admin }, host)
    end
  end)

  it("is needed behind a proxy, also on this machine", function()
    local n = node.start { admin = false, script = [[
      require("groupcache").group("g", { getter = function(key) return key end })
    ]] }
    local function status(headers, version)
      local lines = { "GET /stats HTTP/" .. (version or "1.1"), "Connection: close" }
      for name, value in pairs(headers) do
        lines[#lines + 1] = name .. ": " .. value
      end
      local bytes = http.raw("127.0.0.1", n.port, table.concat(lines, "\r\n") .. "\r\n\r\n")
      return tonumber(bytes:match "^HTTP/1.1 (%d+)")
    end
    for _, host in ipairs { "127.0.0.1", "localhost:8080", "[::1]:1", "127.0.0.1:" .. n.port,
      "myhost" } do
      assert.equal(200, status { Host = host }, host)
    end
    for _, host in ipairs { "here.example", "127.0.0.1.evil.example", "10.0.0.1", "[::2]", "" } do
      assert.equal(404, status { Host = host }, host)
    end
    for _, name in ipairs { "X-Forwarded-For", "Forwarded", "Via", "X-Real-IP",
      "X-Forwarded-Proto" } do
      assert.equal(404, status { Host = "127.0.0.1", [name] = "x" }, name)
    end
    assert.equal(404, status({ Host = "127.0.0.1" }, "1.0")) -- as nginx asks
    rig.stop(n)
  end)
end)
