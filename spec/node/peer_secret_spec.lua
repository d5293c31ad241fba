-- SPDX-License-Identifier: MIT

-- Nodes that sign their requests with a secret that they share. The signatures of this file are
-- made by openssl, as docs/api.md says.

local certs = require "support.certs"
local eventually = require "support.eventually"
local http = require "support.http"
local node = require "support.node"
local process = require "support.process"
local rig = require "node.rig"
local tmp = require "support.tmp"
local verbs = require "node.verbs"

local SECRET, NEXT = "first secret of the cluster", "second secret of the cluster"

local SCRIPT = [[
  require("groupcache").group("g", { getter = function(key) return "loaded" end, writable = true,
    hot = "never" })
]]

local function hex(bytes)
  return (bytes:gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local function sha256(input)
  return process.run { "openssl", "dgst", "-sha256", "-r", input = input }.stdout:match "%x+"
end

local used = 0

-- The header of a request. opts: time (ms), nonce; method, target, body are signed instead.
local function sign(secret, verb, opts)
  opts = opts or {}
  used = used + 1
  local t = ("%d"):format(opts.time or os.time() * 1000)
  local n = opts.nonce or ("%032x"):format(used)
  local body = opts.body or verb.body
  local b = body and sha256(body)
  local lines = table.concat({ "groupcache v1", opts.method or verb.method,
    opts.target or verb.target, t, n, b or "-", "" }, "\n")
  local s = process.run { "openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt",
    "hexkey:" .. hex(secret), "-r", input = lines }.stdout:match "%x+"
  return ("v1 t=%s n=%s%s s=%s"):format(t, n, b and " b=" .. b or "", s)
end

local function ask(n, verb, auth)
  local headers = { ["X-Groupcache-Auth"] = auth }
  for _, line in ipairs(verb.headers or {}) do
    local name, value = line:match "^(.-): (.*)$"
    headers[name] = value
  end
  return assert(n:request { method = verb.method, target = verb.target, body = verb.body,
    headers = headers })
end

local function is_change(verb)
  return verb.method ~= "GET" and verb.name ~= "a batch"
end

describe("a node with a peer_secret", function()
  local n

  after_each(function()
    rig.stop(n)
    n = nil
  end)

  local function start(...)
    n = node.start { script = SCRIPT,
      args = { "--dialect", "groupcache-go", "--peer-secret", SECRET, ... } }
  end

  local function counters()
    local g, list = n:stats().groups.g, {}
    for _, name in ipairs { "gets", "loads", "sets", "removes", "flushes" } do
      list[name] = g[name]
    end
    return list
  end

  it("takes every request that is signed, from any address and without a list", function()
    start()
    for _, verb in ipairs(verbs.all("k", "told")) do
      assert.equal(200, ask(n, verb, sign(SECRET, verb)).status, verb.name)
    end
  end)

  it("refuses all others, and runs no getter and changes nothing", function()
    start()
    local before = counters()
    local old = (os.time() - 40) * 1000
    for what, auth in pairs {
      ["none"] = function() end,
      ["of another secret"] = function(verb) return sign(NEXT, verb) end,
      ["stale"] = function(verb) return sign(SECRET, verb, { time = old }) end,
      ["ahead"] = function(verb) return sign(SECRET, verb, { time = old + 80000 }) end,
      ["of another method"] = function(verb) return sign(SECRET, verb, { method = "PATCH" }) end,
      ["of another target"] = function(verb)
        return sign(SECRET, verb, { target = "/_groupcache/g/other" })
      end,
      ["of another body"] = function(verb) return sign(SECRET, verb, { body = "other" }) end,
      ["malformed"] = function() return "v1 t=1" end,
      ["a token"] = function() return SECRET end,
    } do
      for _, verb in ipairs(verbs.all("k", "told")) do
        assert.equal(401, ask(n, verb, auth(verb)).status, what .. ": " .. verb.name)
      end
    end
    assert.same(before, counters())
    assert.is_truthy(n:logged 'msg="requests to base_path were refused" count=1 sender=127.0.0.1')
    assert.is_nil(n:logged(SECRET))
  end)

  it("takes no signed change a second time", function()
    start()
    for _, verb in ipairs(verbs.all("k", "told")) do
      local auth = sign(SECRET, verb)
      assert.equal(200, ask(n, verb, auth).status, verb.name)
      local again = ask(n, verb, auth)
      assert.equal(is_change(verb) and 401 or 200, again.status, verb.name)
      if is_change(verb) then
        assert.matches("this request was taken before", again.body, 1, true)
      end
    end
    local g = n:stats().groups.g
    assert.same({ 2, 2, 1 }, { g.sets, g.removes, g.flushes })
  end)

  it("has clients and operators as before", function()
    start()
    assert.equal("loaded", n:get("g", "k").body)
    assert.equal(204, n:get("g", "k", { method = "PUT", body = "put" }).status)
    assert.equal(200, n:request { target = "/healthz" }.status)
  end)

  it('with peer_secret_for = "changes", takes reads of Go nodes, and judges signatures', function()
    start("--peer-secret-for", "changes", "--peer-changes", "open")
    for _, verb in ipairs(verbs.all("k", "told")) do
      assert.equal(is_change(verb) and 401 or 200, ask(n, verb).status, verb.name)
      assert.equal(401, ask(n, verb, sign(NEXT, verb)).status, verb.name)
      assert.equal(200, ask(n, verb, sign(SECRET, verb)).status, verb.name)
    end
  end)

  it("does not let a page in a browser act as a node", function()
    start()
    for _, verb in ipairs(verbs.all("k", "told")) do
      if is_change(verb) then
        verb.headers = { "Origin: http://127.0.0.1", unpack(verb.headers or {}) }
        assert.equal(403, ask(n, verb, sign(SECRET, verb)).status, verb.name)
      end
    end
  end)
end)

describe("a cluster with a peer_secret", function()
  local nodes, file

  before_each(function()
    file = tmp.dir() .. "/secret"
  end)

  after_each(function()
    rig.stop_all(nodes)
    nodes = nil
  end)

  -- Node i has its own file, which says `text`.
  local function start(count, text, more)
    nodes = node.cluster(count, { script = SCRIPT, each = function(i, o)
      tmp.write(file .. i, text(i))
      o.args = { "--peer-secret-file", file .. i }
      if more then
        more(o)
      end
    end, tls = more and {} or nil })
  end

  local function same()
    return SECRET .. "\n"
  end

  it("gets, sets, removes and flushes everywhere", function()
    start(3, same)
    for owner = 1, 3 do
      local key = rig.key_of(nodes, owner, "key")
      local function all(value)
        for _, n in ipairs(nodes) do
          assert.equal(value, n:get("g", key).body)
        end
      end
      all "loaded"
      assert.equal(204, nodes[1]:get("g", key, { method = "PUT", body = "set" }).status)
      all "set"
      assert.equal(204, nodes[2]:get("g", key, { method = "DELETE" }).status)
      all "loaded"
      assert.equal(204, nodes[1]:get("g", key, { method = "PUT", body = "set" }).status)
      assert.equal(204, nodes[3]:request { target = "/cache/g", method = "DELETE" }.status)
      all "loaded"
    end
    assert.equal(0, rig.peer_errors(nodes))
  end)

  it("signs batches of many keys", function()
    start(2, same)
    local keys = {}
    for i = 1, 50 do
      keys[i] = ("%q"):format(rig.key_of(nodes, 2, "many-" .. i))
    end
    local res = nodes[1]:request { target = "/cache/g", method = "POST",
      body = "[" .. table.concat(keys, ",") .. "]" }
    assert.equal(200, res.status)
    assert.same({ 0, true }, { rig.peer_errors(nodes), nodes[1]:stats().peers[2].batches >= 1 })
  end)

  it("does not take what a node with another secret says, and loads its keys itself", function()
    start(2, function(i) return i == 1 and SECRET or NEXT end)
    rig.check_shut_out(nodes, 1, 2, "g")
    rig.check_shut_out(nodes, 2, 1, "g")
    local key = rig.key_of(nodes, 2, "key")
    assert.equal("loaded", nodes[2]:get("g", key).body)
    local res = nodes[1]:get("g", key)
    assert.same({ "loaded", "local" }, { res.body, res.headers["x-cache"] })
    assert.is_truthy(nodes[1]:logged "no peer_secret of this node has signed it")
    res = nodes[1]:get("g", key, { method = "PUT", body = "set" })
    assert.equal(502, res.status)
    assert.equal("loaded", nodes[2]:get("g", key).body)
  end)

  it("signs over TLS, where both are asked for", function()
    local ca = certs.ca "the cluster"
    start(2, same, function(o)
      local pair = ca:issue()
      o.tls = { cert = pair.cert, key = pair.key, ca = ca.path, client_auth = "peers" }
    end)
    local key = rig.key_of(nodes, 2, "key")
    assert.equal("loaded", nodes[1]:curl { "/cache/g/" .. key }.body)
    assert.equal(0, rig.peer_errors(nodes))
    local get = verbs.all("k", "told")[1]
    local auth = "X-Groupcache-Auth: " .. sign(SECRET, get)
    assert.equal(403, nodes[1]:curl { get.target, headers = { auth } }.status)
    assert.equal(401, nodes[1]:curl { get.target, cert = ca:issue() }.status)
    assert.equal(200, nodes[1]:curl { get.target, cert = ca:issue(), headers = { auth } }.status)
  end)

  it("changes its secret under load, and fails no request", function()
    start(3, same)
    local going, good, bad, fns = true, 0, {}, {}
    for i, n in ipairs(nodes) do
      for lane = 1, 2 do
        fns[#fns + 1] = function()
          local count = 0
          while going do
            count = count + 1
            local key = ("%d-%d-%d"):format(i, lane, count)
            local res, err = n:get("g", key)
            if res and res.status == 200 then
              res, err = n:get("g", key, { method = "PUT", body = "put" })
            end
            if res and res.status < 300 then
              good = good + 1
            else
              bad[#bad + 1] = err or res.body
            end
          end
        end
      end
    end
    fns[#fns + 1] = function()
      local function more()
        local before = good
        rig.wait(nodes[1], function()
          return good >= before + 30 or #bad > 0
        end, 20, "more answers")
      end
      more()
      for _, text in ipairs { SECRET .. "\n" .. NEXT, NEXT .. "\n" .. SECRET, NEXT } do
        for i, n in ipairs(nodes) do
          certs.replace(file .. i, text)
          rig.reload({ n }, rig.wait)
          more()
        end
      end
      going = false
    end
    http.together(fns)
    assert.same({}, bad)
    assert.equal(0, rig.peer_errors(nodes))
    local get = verbs.all("k", "told")[1]
    assert.equal(401, ask(nodes[1], get, sign(SECRET, get)).status)
    assert.equal(200, ask(nodes[1], get, sign(NEXT, get)).status)
  end)

  it("keeps the old secret if the new file cannot be used, and says why", function()
    start(1, same)
    tmp.write(file .. "1", "short")
    nodes[1]:signal "SIGHUP"
    eventually(function()
      return nodes[1]:logged "not reloaded: .*peer_secret_file: a secret has 5 bytes, and must have"
    end, 10, "the log says why")
    local get = verbs.all("k", "told")[1]
    assert.equal(200, ask(nodes[1], get, sign(SECRET, get)).status)
  end)
end)

describe("the settings of a peer_secret", function()
  it("are refused with what is wrong, without the secret", function()
    local path = tmp.dir() .. "/node.lua"
    tmp.write(path, SCRIPT)
    for said, args in pairs {
      ["peer_secret: a secret has 6 bytes, and must have 16"] = { "--peer-secret", "sesame" },
      ["--peer-secret is a secret, and must be a text"] = { "--peer-secret", "sesame\1" },
      ["peer_secret_file /nowhere: No such file"] = { "--peer-secret-file", "/nowhere" },
    } do
      local r = process.run { node.binary, "check", path, unpack(args) }
      assert.is_not.equal(0, r.code)
      assert.matches(said, r.stderr, 1, true)
      assert.is_nil(r.stderr:find "sesame")
    end
  end)
end)
