-- SPDX-License-Identifier: MIT

-- Set, remove, flush and many keys at once over several nodes: what everyone holds afterwards, who
-- is named when it did not confirm, and what a removal does to loads that are under way.

local cjson = require "cjson"
local eventually = require "support.eventually"
local fake = require "node.fake"
local http = require "support.http"
local node = require "support.node"
local ports = require "support.ports"
local rig = require "node.rig"

-- Group g is what the changes are about. The getter of "call" runs one of its methods, at the node
-- that is asked: its key is a JSON list of the method and its arguments, its value of the results.
local SCRIPT = [[
local groupcache = require "groupcache"
local cjson = require "cjson"

local function version()
  local f = assert(io.open(rig.dir .. "/version"))
  return f:read "*a", f:close()
end

local getters = {}
for _, name in ipairs { "g", "brief" } do
  getters[name] = groupcache.group(name, { hot = "always", timeout = name == "g" and 10 or 1,
    max_value_bytes = 1000, negative_ttl = 100, getter = function(key)
      local text = key .. " " .. version()
      rig.record(key) -- now the version is read, and may change
      if key:find "^none" then return nil end
      local gate = key:match "^gate%d*"
      if gate then rig.gate(gate) end
      local own, value = key:match "^(%a+)s itself ?(%a*)"
      if own then
        local method = getters[name][own]
        assert(method(getters[name], key, value ~= "" and value or nil))
      end
      return text
    end })
end

local function list(...)
  local out = {}
  for i = 1, select("#", ...) do
    local v = select(i, ...)
    if v == nil then v = cjson.null end
    out[i] = v
  end
  return cjson.encode(out)
end

groupcache.group("call", { local_only = true, timeout = 20, getter = function(key)
  local method, name, a, b, c = unpack(cjson.decode(key))
  local g = getters[name]
  if b == cjson.null then b = nil end
  return list(g[method](g, a, b, c)), nil, 0
end })
]]

local NULL = cjson.null

-- A method of g at a node: its results as a list, null for nil.
local function call_of(n, name, method, ...)
  local res = assert(n:get("call", cjson.encode { method, name, ... }, { timeout = 30 }))
  assert.equal(200, res.status, res.body)
  return cjson.decode(res.body)
end

local function call(n, method, ...)
  return call_of(n, "g", method, ...)
end

-- What a node says, and where from.
local function get(n, key, group)
  local res = assert(n:get(group or "g", key, { timeout = 30 }))
  return res.body, res.headers["x-cache"]
end

-- Where a node holds the key: "main", "hot" or nil.
local function holds(n, key, group)
  local source = call_of(n, group or "g", "peek", key)[3]
  return source ~= "NOTFOUND" and source or nil
end

local function count(list, what)
  local n = 0
  for _, v in ipairs(list) do
    n = n + (v == what and 1 or 0)
  end
  return n
end

local function batches(n)
  local total = 0
  for _, peer in ipairs(n:stats().peers) do
    total = total + peer.batches
  end
  return total
end

describe("a change over three nodes", function()
  local r, nodes, urls, last = nil, nil, nil, 0

  local function version(text)
    r:file("version", text)
  end

  -- A key of that node that nobody has asked for.
  local function new_key(n, prefix)
    last = last + 1
    return rig.owned_by(urls, n.url, (prefix or "k") .. last)
  end

  local function fill(key, group)
    for _, n in ipairs(nodes) do
      get(n, key, group)
      assert.truthy(holds(n, key, group))
    end
  end

  local function held_by_nobody(key, group)
    for i, n in ipairs(nodes) do
      assert.is_nil(holds(n, key, group), "node " .. i)
    end
  end

  setup(function()
    r = rig.new()
    version "v1"
    nodes = node.cluster(3, { script = r:script(SCRIPT), args = { "--connect-timeout", "5" } })
    urls = { nodes[1].url, nodes[2].url, nodes[3].url }
    for _, n in ipairs(nodes) do -- everyone knows by an answer that the others are ours
      for _, owner in ipairs(nodes) do
        get(n, new_key(owner))
      end
    end
  end)

  before_each(function()
    version "v1"
  end)

  teardown(function()
    rig.stop_all(nodes)
  end)

  for _, from in ipairs { "its owner", "another node" } do
    local function pick()
      return nodes[from == "its owner" and 2 or 1]
    end

    it("sets from " .. from, function()
      local key = new_key(nodes[2])
      fill(key)
      local calls = r:total()
      assert.same({ true }, call(pick(), "set", key, "new"))
      assert.equal("main", holds(nodes[2], key))
      assert.is_nil(holds(nodes[1], key))
      assert.is_nil(holds(nodes[3], key))
      for _, n in ipairs(nodes) do
        assert.equal("new", (get(n, key)))
      end
      assert.equal(calls, r:total())
    end)

    it("removes from " .. from, function()
      local key = new_key(nodes[2])
      fill(key)
      version "v2"
      assert.same({ true }, call(pick(), "remove", key))
      held_by_nobody(key)
      for _, n in ipairs(nodes) do
        assert.equal(key .. " v2", (get(n, key)))
      end
      assert.equal(2, r:calls()[key])
    end)
  end

  it("sets with a ttl, and without one", function()
    local key = new_key(nodes[2])
    fill(key)
    assert.same({ true }, call(nodes[1], "set", key, "brief", 50))
    local left = call(nodes[2], "ttl", key)[1]
    assert.is_true(left > 30 and left <= 50, left)
    assert.equal("brief", (get(nodes[1], key)))
    left = call(nodes[1], "ttl", key)[1]
    assert.is_true(left > 30 and left <= 50, left)
    for _, ttl in ipairs { 0, -1 } do
      fill(key)
      assert.same({ true }, call(nodes[1], "set", key, "none", ttl))
      held_by_nobody(key)
    end
  end)

  it("takes a value that is too large for a removal, and says so", function()
    local key = new_key(nodes[2])
    fill(key)
    for _, n in ipairs { nodes[1], nodes[2] } do
      local answer = call(n, "set", key, ("x"):rep(1001))
      assert.same({ NULL, "TOOBIG" }, { answer[1], answer[3] })
      assert.is_nil(answer[4])
      held_by_nobody(key)
    end
  end)

  it("removes what was kept as not being there", function()
    local key = new_key(nodes[2], "none")
    assert.equal(404, nodes[1]:get("g", key).status)
    assert.equal(404, nodes[1]:get("g", key).status)
    assert.equal(1, r:calls()[key])
    assert.same({ true }, call(nodes[3], "remove", key))
    assert.equal(404, nodes[1]:get("g", key).status)
    assert.equal(2, r:calls()[key])
    assert.same({ true }, call(nodes[3], "set", key, "there now"))
    assert.equal("there now", (get(nodes[1], key)))
  end)

  it("removes many at once, whoever owns them", function()
    local keys, kept = {}, new_key(nodes[1])
    for i = 1, 9 do
      keys[i] = new_key(nodes[i % 3 + 1])
      fill(keys[i])
    end
    fill(kept)
    assert.same({ true }, call(nodes[3], "remove_many", keys))
    for _, key in ipairs(keys) do
      held_by_nobody(key)
    end
    assert.equal("main", holds(nodes[1], kept))
    assert.same({ true }, call(nodes[3], "remove_many", {}))
  end)

  it("flushes everything", function()
    local keys = {}
    for i = 1, 6 do
      keys[i] = new_key(nodes[i % 3 + 1])
      fill(keys[i])
    end
    fill(keys[1], "brief")
    assert.same({ true }, call(nodes[2], "flush"))
    for _, key in ipairs(keys) do
      held_by_nobody(key)
    end
    for _, n in ipairs(nodes) do
      local s = n:stats().groups.g
      assert.equal(0, s.main.items + s.hot.items)
    end
    assert.truthy(holds(nodes[1], keys[1], "brief")) -- another group's
  end)

  it("may come from the key's own getter, and then the getter's result is not kept", function()
    for _, n in ipairs(nodes) do
      local key = new_key(nodes[2], "removes itself ")
      assert.equal(key .. " v1", (get(n, key)))
      held_by_nobody(key)
      key = new_key(nodes[2], "sets itself new")
      assert.equal(key .. " v1", (get(n, key)))
      assert.equal("new", (get(nodes[2], key):sub(1, 3)))
    end
  end)

  it("keeps a load that was under way from bringing the old value back", function()
    for i, from in ipairs(nodes) do
      local gate = "gate" .. i
      local key = new_key(nodes[2], gate .. " ")
      version "old"
      local before, removed, after
      http.together {
        function() before = get(nodes[1], key) end,
        function()
          rig.wait(nodes[1], function() return r:calls()[key] end, 10, "the getter runs")
          version "new"
          removed = call(from, "remove", key)
          rig.wait(nodes[1], function() return r:calls()[key] == 2 end, 10, "it runs again")
          r:open(gate)
        end,
        function()
          rig.wait(nodes[1], function() return removed end, 10, "the removal")
          after = get(nodes[3], key)
        end,
      }
      assert.same({ true }, removed)
      assert.equal(key .. " old", before) -- who asked before the removal
      assert.equal(key .. " new", after)
      for _, n in ipairs(nodes) do
        assert.equal(key .. " new", (get(n, key)))
      end
      assert.equal(2, r:calls()[key])
    end
  end)

  it("lets a set win against a load that was under way", function()
    local key = new_key(nodes[2], "gate9 ")
    http.together {
      function() assert.equal(key .. " v1", (get(nodes[1], key))) end,
      function()
        rig.wait(nodes[1], function() return r:calls()[key] end, 10, "the getter runs")
        assert.same({ true }, call(nodes[3], "set", key, "set"))
        assert.equal("set", (get(nodes[3], key)))
        r:open "gate9"
      end,
    }
    for _, n in ipairs(nodes) do
      assert.equal("set", (get(n, key)))
    end
    assert.equal(1, r:calls()[key])
  end)

  describe("asks for many keys", function()
    it("with one exchange for each owner", function()
      local keys, wanted = {}, {}
      for i = 1, 60 do
        keys[i] = new_key(nodes[i % 3 + 1])
        wanted[keys[i]] = keys[i] .. " v1"
      end
      keys[61] = new_key(nodes[2], "none")
      local before = batches(nodes[1])
      local answer = call(nodes[1], "get_many", keys)
      assert.same(wanted, answer[1])
      assert.same({ [keys[61]] = { code = "NOTFOUND", message = "group g: not found" } }, answer[2])
      assert.equal(2, batches(nodes[1]) - before)
      for _, key in ipairs(keys) do
        assert.equal(1, r:calls()[key])
      end
      before = batches(nodes[1])
      assert.same(wanted, call(nodes[1], "get_many", keys)[1])
      assert.equal(0, batches(nodes[1]) - before) -- all are hot now
    end)

    it("and waits no longer for them than was said", function()
      local keys = { new_key(nodes[2]), new_key(nodes[2], "gate7 "), new_key(nodes[1], "gate7 ") }
      local answer = call(nodes[1], "get_many", keys, { timeout = 0.3 })
      assert.same({ [keys[1]] = keys[1] .. " v1" }, answer[1])
      local late = { code = "TIMEOUT", message = "group g: no value within 0.3 s" }
      assert.same({ [keys[2]] = late, [keys[3]] = late }, answer[2])
      r:open "gate7"
      assert.equal(keys[2] .. " v1", (get(nodes[1], keys[2]))) -- the loads have gone on
      assert.equal(1, r:calls()[keys[2]])
    end)

    it("and may ask for none, or for one twice", function()
      local key = new_key(nodes[2])
      assert.same({ {}, {} }, call(nodes[1], "get_many", {}))
      assert.same({ [key] = key .. " v1" }, call(nodes[1], "get_many", { key, key })[1])
      assert.equal(1, r:calls()[key])
    end)

    it("one of which it loads itself: that is a circle, the others are not", function()
      local own = rig.new()
      own:file("version", "v1")
      local n = node.start { script = own:script [[
        local groupcache = require "groupcache"
        local g
        g = groupcache.group("g", { getter = function(key)
          if key ~= "root" then return key end
          local values, errors = g:get_many { "a", "root", "b" }
          return table.concat({ values.a, tostring(values.root), errors.root.code, values.b }, " ")
        end })
      ]] }
      assert.equal("a nil CYCLE b", (get(n, "root")))
      rig.stop(n)
    end)
  end)

  it("looks at what one node holds without loading, counting or moving", function()
    local key = new_key(nodes[2])
    local answer = call(nodes[1], "peek", key)
    assert.same({ NULL, "group g: this node does not hold the key", "NOTFOUND" }, answer)
    assert.equal("NOTFOUND", call(nodes[1], "ttl", key)[3])
    assert.is_nil(r:calls()[key])
    get(nodes[1], key)
    local before = nodes[1]:stats().groups.g
    assert.same({ key .. " v1", NULL, "hot" }, call(nodes[1], "peek", key))
    local after = nodes[1]:stats().groups.g
    assert.same(before.hot, after.hot)
    assert.equal(before.gets, after.gets)
    assert.same({ key .. " v1", NULL, "main" }, call(nodes[2], "peek", key))
  end)
end)

describe("a getter", function()
  local n

  local function start(source, args)
    n = node.start { script = "local groupcache = require 'groupcache' " .. source,
      args = args or { "--workers", "1" } }
  end

  after_each(function()
    rig.stop(n)
  end)

  it("changes, looks and asks beside others that wait", function()
    start [[
      local words = groupcache.group("words", { codec = "json", getter = function(key)
        groupcache.sleep(0.01)
        return { key }
      end })
      groupcache.group("g", { getter = function()
        local values = groupcache.all {
          function() return (words:set("a", { "set" })) end,
          function() return words:get("b")[1] end,
          function() return words:get_many({ "c", "d" }).d[1] end,
          function() return (words:remove "e") end,
        }
        for i = 1, 4 do values[i] = tostring(values[i]) end
        values[5], values[6] = words:peek("a")[1], select(3, words:peek "a")
        values[7] = tostring(words:ttl "a")
        return table.concat(values, " ")
      end })
    ]]
    assert.equal("true b d true set main inf", (get(n, "k")))
  end)

  it("is told of a value that the codec can neither encode nor decode", function()
    start [[
      local words = groupcache.group("words", { codec = { encode = tostring, decode = function(b)
        if b == "bad" then return nil, "no good" end
        return b
      end }, getter = function(key) return key end })
      local failing = groupcache.group("failing", { codec = { decode = tostring, encode = function()
        return nil, "no way"
      end }, getter = function() end })
      groupcache.group("g", { getter = function()
        local out = { select(2, failing:set("k", 1)) }
        local values, errors = words:get_many { "bad", "good" }
        out[3], out[4], out[5] = values.good, tostring(values.bad), errors.bad.message
        out[6], out[7] = errors.bad.code, select(3, words:peek "bad")
        return table.concat(out, "|")
      end })
    ]]
    assert.equal("group failing: the codec cannot encode the value: no way|INVAL|good|nil|"
      .. "group words: the codec cannot decode the value: no good|GETTER|GETTER", (get(n, "k")))
  end)

  it("raises for misuse at the line of the script", function()
    start([[
      local g
      g = groupcache.group("g", { getter = function(key)
        local long, out = ("x"):rep(33), {}
        local function try(fn, ...)
          out[#out + 1] = select(2, pcall(fn, ...)):gsub("^.-node.lua:", "")
        end
        try(function() local _ = g:set(long, "v") end)
        try(function() local _ = g:remove_many { "k", long } end)
        try(function() local _ = g:get_many { 1 } end)
        try(function() local _ = g:set(key, 1) end)
        return table.concat(out, "\n")
      end })
      local ok, err = pcall(function() g:set("k", "v") end)
      assert(not ok and err:find("group:set waits, and only a getter or a background function can "
        .. "wait", 1, true), err)
    ]], { "--max-key-bytes", "32" })
    assert.equal("7: group:set: the key has 33 bytes, max_key_bytes is 32\n"
      .. "8: group:remove_many: key 2 has 33 bytes, max_key_bytes is 32\n"
      .. "9: group:get_many: key 1 is a number, and must be a string\n"
      .. "10: group:set: the value is a number, and must be a string or a table", (get(n, "k")))
  end)

  it("leaves a change running when its timeout has passed", function()
    local f = fake.start [[
      return function(request, c)
        if request.method == "GET" then c:sleep(0.1) end
        if request.method == "POST" then c:sleep(1) end
        c:send("HTTP/1.1 200 OK\r\nX-Groupcache-Node: 1\r\nContent-Length: 0\r\n\r\n")
      end
    ]]
    local port = ports.free()
    local url = "http://127.0.0.1:" .. port
    n = node.start { port = port, self = url, peers = { url, f.url }, args = { "--workers", "1" },
      script = [[
        local groupcache = require "groupcache"
        local g = groupcache.group("g", { getter = function(key) return key end })
        groupcache.group("brief", { timeout = 0.2, local_only = true, getter = function(key)
          return tostring(g:remove(key))
        end })
      ]] }
    local theirs = rig.owned_by({ url, f.url }, f.url, "k")
    assert.equal(504, n:get("brief", theirs).status)
    eventually(function() return n:stats().groups.g.removes == 1 end, 20, "it is done here, too")
    f:stop()
  end)
end)

describe("a node that does not confirm", function()
  local r, nodes, urls

  before_each(function()
    r = rig.new()
    r:file("version", "v1")
    nodes = node.cluster(3, { script = r:script(SCRIPT) })
    urls = { nodes[1].url, nodes[2].url, nodes[3].url }
  end)

  after_each(function()
    rig.stop_all(nodes)
  end)

  local function fill(key)
    for _, n in ipairs(nodes) do
      get(n, key, "brief")
      assert.truthy(holds(n, key, "brief"))
    end
  end

  it("is named, and the others have changed", function()
    local mine, others = rig.owned_by(urls, urls[1], "m"), rig.owned_by(urls, urls[3], "o")
    fill(mine)
    fill(others)
    nodes[3]:kill9()
    local set = call_of(nodes[1], "brief", "set", mine, "new")
    assert.same({ NULL, "PEER", { urls[3] } }, { set[1], set[3], set[4] })
    assert.matches("1 node did not confirm, the first is " .. urls[3], set[2], 1, true)
    assert.equal("new", (get(nodes[2], mine, "brief")))
    for _, change in ipairs { { "remove", others }, { "remove_many", { others, mine } },
      { "flush" } } do
      local answer = call_of(nodes[2], "brief", unpack(change))
      assert.same({ NULL, "PEER", { urls[3] } }, { answer[1], answer[3], answer[4] })
      assert.is_nil(holds(nodes[1], others, "brief"))
      assert.is_nil(holds(nodes[2], others, "brief"))
    end
    assert.equal(1, nodes[1]:stats().unconfirmed)
    assert.equal(1, nodes[2]:stats().unconfirmed)
  end)

  for _, owner in ipairs { "another", "it" } do
    it("is told again until it has, when " .. owner .. " owns the key", function()
      local key = rig.owned_by(urls, owner == "it" and urls[3] or urls[2], "k")
      fill(key)
      nodes[3]:freeze()
      local answer = call_of(nodes[1], "brief", "remove", key)
      assert.same({ NULL, "PEER", { urls[3] } }, { answer[1], answer[3], answer[4] })
      assert.is_nil(holds(nodes[1], key, "brief"))
      assert.is_nil(holds(nodes[2], key, "brief")) -- also behind an owner that is silent
      assert.equal(1, nodes[1]:stats().unconfirmed)
      nodes[3]:signal "SIGCONT"
      eventually(function()
        return not holds(nodes[3], key, "brief") and nodes[1]:stats().unconfirmed == 0
      end, 20, "it has confirmed")
    end)
  end

  it("is told again after a new start, unless it was removed from the list", function()
    local key = rig.owned_by(urls, urls[1], "k")
    fill(key)
    local port = nodes[3].port
    nodes[3]:kill9()
    assert.equal("PEER", call_of(nodes[1], "brief", "remove", key)[3])
    assert.equal(1, nodes[1]:stats().unconfirmed)
    nodes[3] = node.start { script = r:script(SCRIPT), port = port, peers = urls, self = urls[3] }
    eventually(function() return nodes[1]:stats().unconfirmed == 0 end, 20, "it has confirmed")
    assert.is_true(nodes[3]:stats().groups.brief.removes >= 1)
  end)
end)

describe("a peer that is a Go node", function()
  local f, n, r

  -- As golang/groupcache's HTTPPool answers: it looks at the path and never at the method.
  local GO = [[
    return function(request, c)
      local path = request.target:match "^/_groupcache/(.*)$"
      local status, kind, body = "400 Bad Request", "text/plain; charset=utf-8", "bad request\n"
      if path and path:find "/" then
        local value = "from Go"
        status, kind = "200 OK", "application/x-protobuf"
        body = "\10" .. string.char(#value) .. value
      end
      c:send(("HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s"):format(
        status, kind, #body, body))
    end
  ]]

  before_each(function()
    r = rig.new()
    r:file("version", "v1")
    f = fake.start(GO)
    local port = ports.free()
    local url = "http://127.0.0.1:" .. port
    n = node.start { script = r:script(SCRIPT), port = port, self = url, peers = { url, f.url } }
  end)

  after_each(function()
    rig.stop(n)
    f:stop()
  end)

  it("is never sent a PUT or a DELETE, and is named, once", function()
    local peers = { n.url, f.url }
    local mine, theirs = rig.owned_by(peers, n.url, "m"), rig.owned_by(peers, f.url, "t")
    get(n, mine)
    get(n, theirs)
    assert.equal("hot", holds(n, theirs))
    for _, change in ipairs { { "set", mine, "v" }, { "set", theirs, "v" }, { "remove", mine },
      { "remove", theirs }, { "remove_many", { mine, theirs } }, { "flush" } } do
      local answer = call(n, unpack(change))
      assert.same({ NULL, "PEER", { f.url } }, { answer[1], answer[3], answer[4] })
      assert.matches("it is no node of ours, and cannot be told", answer[2], 1, true)
    end
    assert.is_nil(holds(n, theirs))
    assert.equal(0, n:stats().unconfirmed) -- to tell it again is of no use
    for _, line in ipairs(f:requests()) do
      assert.truthy(line:find "^GET " or line == "POST /_groupcache/g", line)
    end
    assert.equal("from Go", (get(n, theirs)))
  end)

  it("is asked for many keys one by one", function()
    local peers, keys = { n.url, f.url }, {}
    for i = 1, 20 do
      keys[i] = rig.owned_by(peers, f.url, "k" .. i .. "-")
    end
    for round = 1, 2 do
      local values, errors = unpack(call(n, "get_many", keys))
      assert.same({}, errors)
      for _, key in ipairs(keys) do
        assert.equal("from Go", values[key])
        assert.equal(1, count(f:requests(), "GET /_groupcache/g/" .. key), "round " .. round)
      end
    end
    assert.is_true(batches(n) <= 1) -- until it is known
  end)
end)
