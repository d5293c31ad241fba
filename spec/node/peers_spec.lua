-- SPDX-License-Identifier: MIT

-- Several nodes as one cache: who asks whom, whose word is final, what happens when one is gone.

local cjson = require "cjson"
local eventually = require "support.eventually"
local fake = require "node.fake"
local http = require "support.http"
local node = require "support.node"
local ports = require "support.ports"
local rig = require "node.rig"

local SCRIPT = [[
local groupcache = require "groupcache"
local me = os.getenv "NODE"

local function getter(key, ctx)
  rig.record(("%s@%s%s"):format(key, me, ctx.from_peer and " for a peer" or ""))
  if key:find "^none" then return nil end
  if key:find "^bad" then return nil, "no luck at " .. me end
  if key:find "^throws" then error("kaboom at " .. me, 0) end
  if key:find "^large" then return ("x"):rep(2000) end
  if key:find "^held" then rig.gate "held" end
  return key .. "@" .. me
end

for _, hot in ipairs { "always", "never", "sample" } do
  groupcache.group("hot " .. hot, { hot = hot, getter = getter })
end
groupcache.group("alone", { local_only = true, getter = getter })
groupcache.group("large", { max_value_bytes = me == "none" and 1 or 1000, getter = getter })
groupcache.group("brief", { timeout = 0.5, getter = getter })
groupcache.group("long", { timeout = 30, getter = getter })
]]

local GROUP = "hot never"

local function error_of(res)
  local body = cjson.decode(res.body)
  return { res.status, body.code, body.error }
end

local function named(r, opts)
  local o = { args = { "--connect-timeout", "5" }, script = r:script(SCRIPT) }
  for k, v in pairs(opts or {}) do
    o[k] = v
  end
  o.each = function(i, mine)
    mine.env = { NODE = "n" .. i }
    if opts and opts.each then
      opts.each(i, mine)
    end
  end
  return o
end

describe("three nodes", function()
  local r, nodes, urls, a, b, c

  setup(function()
    r = rig.new()
    nodes = node.cluster(3, named(r))
    a, b, c = unpack(nodes)
    urls = { a.url, b.url, c.url }
  end)

  teardown(function()
    rig.stop_all(nodes)
  end)

  -- Who asked, in the order of the record: "n1", or "n1 for a peer".
  local function loads(key)
    local list = {}
    for record, times in pairs(r:calls()) do
      if record:sub(1, #key + 1) == key .. "@" then
        list[#list + 1] = record:sub(#key + 2) .. (times > 1 and " x" .. times or "")
      end
    end
    table.sort(list)
    return list
  end

  local function get(n, group, key)
    local res = assert(n:get(group, key))
    return ("%d %s %s"):format(res.status, res.body, tostring(res.headers["x-cache"]))
  end

  it("say where a value came from: local, main, peer", function()
    local key = rig.owned_by(urls, b.url, "sources")
    assert.equal("200 " .. key .. "@n2 peer", get(a, GROUP, key))
    assert.equal("200 " .. key .. "@n2 peer", get(a, GROUP, key)) -- hot = "never"
    assert.equal("200 " .. key .. "@n2 main", get(b, GROUP, key))
    assert.same({ "n2 for a peer" }, loads(key))
    key = rig.owned_by(urls, b.url, "other-sources")
    assert.equal("200 " .. key .. "@n2 local", get(b, GROUP, key))
    assert.equal("200 " .. key .. "@n2 main", get(b, GROUP, key))
    assert.equal("200 " .. key .. "@n2 peer", get(c, GROUP, key))
    assert.same({ "n2" }, loads(key))
  end)

  it("keep what a peer gave when hot = \"always\"", function()
    local key = rig.owned_by(urls, b.url, "hot")
    assert.equal("200 " .. key .. "@n2 peer", get(a, "hot always", key))
    assert.equal("200 " .. key .. "@n2 hot", get(a, "hot always", key))
    assert.equal("200 " .. key .. "@n2 main", get(b, "hot always", key))
    assert.is_true(a:stats().groups["hot always"].hot.items >= 1)
  end)

  it("keep some of what a peer gave when hot = \"sample\", one in ten", function()
    local requests = {}
    for i = 1, 1000 do
      requests[i] = { port = a.port, target = "/cache/hot%20sample/sample" .. i }
    end
    http.parallel(requests, 16)
    local s = a:stats().groups["hot sample"]
    local kept = s.hot.items
    assert.is_true(s.peer_loads > 300)
    local share = kept / s.peer_loads
    assert(share > 0.04 and share < 0.2, ("%d of %d"):format(kept, s.peer_loads))
  end)

  it("ask nobody for a group that is local_only", function()
    for i = 1, 20 do
      local key = "alone" .. i
      assert.equal("200 " .. key .. "@n1 local", get(a, "alone", key))
      assert.equal("200 " .. key .. "@n2 local", get(b, "alone", key))
    end
  end)

  for what, expected in pairs {
    none = { 404, "NOTFOUND", "not found" },
    bad = { 502, "GETTER", "no luck at n3" },
    throws = { 502, "GETTER", "kaboom at n3" },
    large = { 413, "TOOBIG", "2000 bytes" },
  } do
    it(("take the owner's word when its getter ends with %s"):format(expected[2] .. " (" .. what
      .. ")"), function()
      local key = rig.owned_by(urls, c.url, what)
      local group = what == "large" and "large" or GROUP
      local of_owner = error_of(assert(c:get(group, key)))
      local got = error_of(assert(a:get(group, key)))
      assert.same(of_owner, got)
      assert.same({ expected[1], expected[2] }, { got[1], got[2] })
      assert.matches(expected[3], got[3], 1, true)
      assert.same({ "n3", "n3 for a peer" }, loads(key)) -- once for each request, nowhere else
    end)
  end

  it("never pass a peer's request on", function()
    local key = rig.owned_by(urls, b.url, "asked of the wrong one")
    local res = assert(c:request { target = "/_groupcache/hot%20never/" .. http.escape(key) })
    assert.equal(200, res.status)
    assert.matches(key .. "@n3", res.body, 1, true)
    assert.same({ "n3 for a peer" }, loads(key))
  end)

  it("hold one connection for many requests, one after another", function()
    local key = rig.owned_by(urls, b.url, "kept")
    assert(a:get(GROUP, key))
    local function sockets(n)
      local count = 0
      for name in require("lfs").dir(("/proc/%d/fd"):format(n.process.pid)) do
        count = count + (tonumber(name) and 1 or 0)
      end
      return count
    end
    local before = { sockets(a), sockets(b) }
    for _ = 1, 50 do
      assert(a:get(GROUP, key))
    end
    eventually(function() return sockets(a) <= before[1] and sockets(b) <= before[2] end)
  end)
end)

describe("a cluster that loses a node", function()
  local r, nodes, urls, a, b

  before_each(function()
    r = rig.new()
    nodes = node.cluster(2, named(r))
    a, b = unpack(nodes)
    urls = { a.url, b.url }
  end)

  after_each(function()
    rig.stop_all(nodes)
  end)

  it("loads the keys of the dead one where they are asked for, and asks it once", function()
    b:kill9()
    for i = 1, 5 do
      local key = rig.owned_by(urls, b.url, "dead" .. i)
      local res = assert(a:get(GROUP, key))
      assert.same({ 200, key .. "@n1", "local" }, { res.status, res.body, res.headers["x-cache"] })
      assert.equal("main", assert(a:get(GROUP, key)).headers["x-cache"])
    end
    assert.equal(1, a:stats().groups[GROUP].peer_errors)
    local peer = rig.peer(a, b.url)
    assert.same({ 1, "ejected", 1 }, { peer.errors, peer.state, peer.ejections })
    assert.equal("fine", rig.peer(a, a.url).state)
    assert.matches('msg="peer could not be used, loading elsewhere" peer=' .. b.url, a:log(), 1,
      true)
    assert.matches('msg="peer is out of use, its keys go to their next owners" peer=' .. b.url
      .. ' state=ejected reason="no connection"', a:log(), 1, true)
  end)

  it("loads the keys of a stopped one elsewhere, soon at once, and asks it again later", function()
    assert(a:get("brief", rig.owned_by(urls, b.url, "before"))) -- a connection is there
    b:freeze()
    for i = 1, 3 do -- within the group's time of 0.5 s, although the kernel takes connections
      local stopped = rig.owned_by(urls, b.url, "stopped" .. i)
      local res = assert(a:get("brief", stopped, { timeout = 10 }))
      assert.same({ 200, stopped .. "@n1" }, { res.status, res.body })
      assert.equal(1, r:calls()[stopped .. "@n1"])
    end
    eventually(function() return rig.peer(a, b.url).state == "ejected" end, 10)
    local loads = rig.peer(a, b.url).loads
    local key = rig.owned_by(urls, b.url, "at once")
    assert.equal(key .. "@n1", assert(a:get("brief", key)).body)
    assert.equal(loads, rig.peer(a, b.url).loads) -- it was not asked
    b:signal "SIGCONT"
    local n = 0
    eventually(function()
      n = n + 1
      key = rig.owned_by(urls, b.url, "goes on" .. n)
      return assert(a:get("brief", key)).body == key .. "@n2"
    end, 20)
    assert.equal("fine", rig.peer(a, b.url).state)
  end)

  it("uses it again once it is back, over new connections", function()
    local key = rig.owned_by(urls, b.url, "back")
    assert.equal(key .. "@n2", assert(a:get(GROUP, key)).body)
    b:kill9()
    local other = rig.owned_by(urls, b.url, "meanwhile")
    assert.equal(other .. "@n1", assert(a:get(GROUP, other)).body)
    b = node.start { port = b.port, peers = urls, args = { "--connect-timeout", "5" },
      script = r:script(SCRIPT), env = { NODE = "n2 again" } }
    nodes[2] = b
    local n = 0
    eventually(function()
      n = n + 1
      key = rig.owned_by(urls, b.url, "again" .. n)
      return assert(a:get(GROUP, key)).body == key .. "@n2 again"
    end, 10, "it is asked again")
    for i = 1, 20 do
      local new = rig.owned_by(urls, b.url, "new" .. i)
      assert.equal(new .. "@n2 again", assert(a:get(GROUP, new)).body)
    end
  end)

  it("restarts one under load without a failed request", function()
    local keys = {}
    for i = 1, 400 do
      keys[i] = { port = a.port, target = "/cache/hot%20never/restart" .. i }
    end
    local wrong, done = {}, 0
    http.parallel(keys, 8, function(res, err, req)
      done = done + 1
      if not res or res.status ~= 200 then
        wrong[#wrong + 1] = req.target .. ": " .. (res and res.body or err)
      end
      if done == 100 then
        b:kill9()
      elseif done == 200 then
        b = node.start { port = b.port, peers = urls, args = { "--connect-timeout", "5" },
          script = r:script(SCRIPT), env = { NODE = "n2 again" }, ready = false }
        nodes[2] = b
      end
    end)
    assert.same({}, wrong)
    eventually(function() return b:stats() end, 15)
  end)
end)

describe("two nodes that disagree about who owns what", function()
  it("answer all the same, each getter at most once, and never wait for each other", function()
    local r = rig.new()
    -- Each believes that the ring is itself under a name that owns nothing here, and the other.
    local one, two = ports.free(), ports.free()
    local url_one, url_two = "http://127.0.0.1:" .. one, "http://127.0.0.1:" .. two
    local function start(port, me, other, name)
      return node.start { port = port, self = me, peers = { me, other }, env = { NODE = name },
        args = { "--connect-timeout", "5" }, script = r:script(SCRIPT) }
    end
    local me_one, me_two = "http://127.0.0.1:1", "http://127.0.0.1:2"
    local a = start(one, me_one, url_two, "n1")
    local b = start(two, me_two, url_one, "n2")

    -- Keys of which each thinks that they are the other's.
    local keys = {}
    for i = 1, 2000 do
      local key = "held-" .. i
      if #keys < 30 and rig.owner({ me_one, url_two }, key) == url_two
        and rig.owner({ me_two, url_one }, key) == url_one then
        keys[#keys + 1] = key
      end
    end
    assert.equal(30, #keys)
    local fns, results = {}, {}
    for _, key in ipairs(keys) do
      for _, n in ipairs { a, b, a, b } do
        fns[#fns + 1] = function()
          local res = assert(n:get("long", key, { timeout = 20 }))
          results[#results + 1] = { key, res }
        end
      end
    end
    fns[#fns + 1] = function()
      -- Two that asked and one who asks for the other, in each node, for each key.
      eventually(function()
        return a:stats().groups.long.waiters + b:stats().groups.long.waiters == 6 * #keys
      end, 10, "all of them wait")
      r:open "held"
    end
    http.together(fns)
    local stopped = { a:stop(), b:stop() }
    assert.same({ 0, 0 }, { stopped[1], stopped[2] })
    assert.equal(120, #results)
    for _, result in ipairs(results) do
      local key, res = unpack(result)
      assert.equal(200, res.status, res.body)
      assert.is_true(res.body == key .. "@n1" or res.body == key .. "@n2")
      assert.equal("peer", res.headers["x-cache"])
    end
    for _, times in pairs(r:calls()) do
      assert.equal(1, times)
    end
    -- One may have the value of the other.
    assert.is_true(r:total() >= 30 and r:total() <= 60, r:total())
  end)
end)

describe("what a node says to a peer", function()
  it("is Go's request, and its own URL", function()
    local peer = fake.start [[
      return function(request, c)
        local lines = {}
        for name, value in pairs(request.headers) do lines[#lines + 1] = name .. ": " .. value end
        table.sort(lines)
        local value = request.method .. " " .. request.target .. "\n" .. table.concat(lines, "\n")
        local body = "\10" .. string.char(#value % 128 + 128, math.floor(#value / 128)) .. value
        c:send("HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: "
          .. #body .. "\r\n\r\n" .. body)
      end
    ]]
    local port = ports.free()
    local peers = { "http://127.0.0.1:" .. port, peer.url }
    local n = node.start { port = port, peers = peers, script = [[
      require("groupcache").group("g +%/\233", { getter = function() return ("x"):rep(500) end })
    ]] }
    local key = rig.owned_by(peers, peer.url, "k +%/\0\255")
    local res = assert(n:get("g +%/\233", key))
    rig.stop(n)
    peer:stop()
    local head, view = res.body:match "^(.*)\nx%-groupcache%-view: ([%x.]+)$"
    assert.equal(("GET /_groupcache/g%%20%%2B%%25%%2F%%E9/%s\nhost: 127.0.0.1:%d\n"
      .. "x-groupcache-from: %s"):format(http.escape(key), peer.port, n.url), head)
    assert.matches("^0%.0%.50%.%x+%.2%.%x+$", view)
  end)
end)
