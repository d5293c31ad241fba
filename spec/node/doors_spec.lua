-- SPDX-License-Identifier: MIT

-- Who may change values: other nodes by peer_changes, clients by the group's `writable`.

local eventually = require "support.eventually"
local messages = require "support.messages"
local node = require "support.node"
local ports = require "support.ports"
local rig = require "node.rig"
local tmp = require "support.tmp"
local C = require("support.unit").load "wire/batch.h"

local SCRIPT = [[
  local groupcache = require "groupcache"
  local function getter() return "loaded" end
  groupcache.group("g", { getter = getter })
]]

local function batch(op, key, value)
  return messages.batch_request(op, key and { key } or {}, value)
end

local function set_request(key, value)
  return messages.set_request("g", key, value)
end

local FROM = { ["X-Groupcache-From"] = "http://127.0.0.1:1" }

-- Every change that another node may send.
local CHANGES = {
  { "a set", { method = "POST", target = "/_groupcache/g", headers = FROM,
    body = batch(C.BATCH_SET, "k", "told") } },
  { "a removal", { method = "POST", target = "/_groupcache/g", headers = FROM,
    body = batch(C.BATCH_REMOVE, "k") } },
  { "a flush", { method = "POST", target = "/_groupcache/g", headers = FROM,
    body = batch(C.BATCH_FLUSH) } },
  { "a set of a Go node", { method = "PUT", target = "/_groupcache/g/k",
    body = set_request("k", "told") } },
  { "a removal of a Go node", { method = "DELETE", target = "/_groupcache/g/k" } },
}

local function start(opts)
  opts.args = opts.args or {}
  opts.args[#opts.args + 1] = "--dialect"
  opts.args[#opts.args + 1] = "groupcache-go"
  opts.script = opts.script or SCRIPT
  return node.start(opts)
end

local function send(n, request, more)
  local copy = {}
  for name, value in pairs(request) do
    copy[name] = value
  end
  for name, value in pairs(more or {}) do
    copy[name] = value
  end
  return assert(n:request(copy))
end

local function value(n)
  return assert(n:get("g", "k")).body
end

-- Sends each change; every one must be refused, and change nothing.
local function refused(n, more, text)
  assert.equal("loaded", value(n))
  local before = n:stats().groups.g
  for _, change in ipairs(CHANGES) do
    local res = send(n, change[2], more)
    assert.equal(403, res.status, change[1])
    assert.matches(text, res.body, 1, true)
    assert.equal("close", res.headers.connection, change[1])
  end
  local g = n:stats().groups.g
  assert.same({ before.flushes, before.removes, "loaded" }, { g.flushes, g.removes, value(n) })
end

local function taken(n, more)
  for _, change in ipairs(CHANGES) do
    assert.equal(200, send(n, change[2], more).status, change[1])
  end
end

describe("changes of other nodes", function()
  local n

  after_each(function()
    rig.stop(n)
  end)

  local function with_peer(url)
    local port = ports.free()
    n = start { port = port, peers = { "http://127.0.0.1:" .. port, url } }
  end

  it("are taken from the addresses of listed peers", function()
    with_peer "http://127.0.0.3:1"
    taken(n, { from = "127.0.0.3" })
    refused(n, { from = "127.0.0.2" }, "127.0.0.2 is not the address of one")
  end)

  it("are taken from the addresses of a listed name", function()
    with_peer "http://localhost:1"
    eventually(function()
      return send(n, CHANGES[2][2]).status == 200
    end, 10, "the name is looked up")
    taken(n)
    refused(n, { from = "127.0.0.2" }, "127.0.0.2 is not the address of one")
  end)

  it("are not taken by a node alone", function()
    n = start {}
    refused(n, {}, "a change is taken from listed peers only")
    assert.matches('msg="changes were refused" count=1 group=g sender=127.0.0.1', n:log(), 1, true)
  end)

  it("are taken from the networks of peer_changes", function()
    n = start { args = { "--peer-changes", "peers, 127.0.0.2/31" } }
    taken(n, { from = "127.0.0.2" })
    taken(n, { from = "127.0.0.3" })
    refused(n, { from = "127.0.0.4" }, "add its network to peer_changes")
  end)

  it("are taken from everyone when peer_changes is open, which the log says", function()
    n = start { args = { "--peer-changes", "open" } }
    taken(n, { from = "127.0.0.9" })
    assert.is_truthy(n:logged 'msg="every address may change values as a node does"')
  end)

  it("do not come from a page in a browser", function()
    n = start { args = { "--peer-changes", "open" } }
    refused(n, { headers = { Origin = "http://127.0.0.1", ["X-Groupcache-From"] = "http://x" } },
      "a page in a browser is no node")
    refused(n, { headers = { Origin = "null", ["X-Groupcache-From"] = "http://x" } },
      "a page in a browser is no node")
  end)
end)

describe("a batch of our own nodes", function()
  it("that changes something says from whom; one that asks need not", function()
    local n = start { args = { "--peer-changes", "open" } }
    local post = { method = "POST", target = "/_groupcache/g", body = batch(C.BATCH_FLUSH) }
    local res = send(n, post)
    assert.same({ 403, "a change of our nodes says from whom: X-Groupcache-From\n" },
      { res.status, res.body })
    assert.equal(200, send(n, post, { body = batch(C.BATCH_GET, "k") }).status)
    rig.stop(n)
  end)
end)

describe("changes of clients", function()
  local n

  after_each(function()
    rig.stop(n)
  end)

  local function writable(rule)
    n = start { script = ([[
      require("groupcache").group("g", { getter = function() return "loaded" end, writable = %s })
    ]]):format(rule) }
  end

  local function put(headers, more)
    local res = send(n, { method = "PUT", target = "/cache/g/k", body = "put", headers = headers },
      more)
    return res.status, res.headers["www-authenticate"]
  end

  local function bearer(token)
    return { Authorization = "Bearer " .. token }
  end

  it("need the token of the group", function()
    writable '{ token = "s3cret-s3cret" }'
    assert.equal("loaded", value(n))
    for _, headers in ipairs { {}, bearer "", bearer "s3cret", bearer "s3cret-s3crets",
      bearer "S3cret-s3cret", bearer "s3cret-s3cret ,s3cret-s3cret",
      { Authorization = "Basic s3cret-s3cret" }, { Authorization = "s3cret-s3cret" },
    } do
      assert.same({ 401, "Bearer" }, { put(headers) })
    end
    for _, request in ipairs { { method = "DELETE", target = "/cache/g/k" },
      { method = "DELETE", target = "/cache/g" } } do
      assert.equal(401, send(n, request).status)
    end
    assert.same({ "loaded", 0, 1 }, { value(n), n:stats().groups.g.flushes,
      n:stats().groups.g.loads })
    assert.equal(204, (put(bearer "s3cret-s3cret")))
    assert.equal("put", value(n))
    assert.equal(204, (put { Authorization = "bearer s3cret-s3cret" }))
    assert.is_nil(n:logged "s3cret")
  end)

  it("may have one of two tokens, as during a rotation", function()
    writable '{ token = { "old", "new" } }'
    assert.same({ 204, 204, 401 }, { (put(bearer "old")), (put(bearer "new")),
      (put(bearer "old,new")) })
  end)

  it("have the token of a file, which a reload reads again", function()
    local path = tmp.dir() .. "/token"
    tmp.write(path, "first\n")
    writable(('{ token_file = %q }'):format(path))
    assert.same({ 204, 401 }, { (put(bearer "first")), (put(bearer "second")) })
    tmp.write(path, "second\n")
    n:signal "SIGHUP"
    eventually(function()
      return put(bearer "second") == 204
    end, 10, "the new token")
    assert.equal(401, (put(bearer "first")))
  end)

  it("come from the networks of the group", function()
    writable '{ networks = { "127.0.0.2", "10.0.0.0/8" } }'
    assert.same({ 403, 204 }, { (put({}, { from = "127.0.0.1" })),
      (put({}, { from = "127.0.0.2" })) })
  end)

  it("need both, if the group asks for both", function()
    writable '{ networks = { "127.0.0.2" }, token = "t" }'
    assert.same({ 403, 401, 204 }, { (put(bearer "t")), (put({}, { from = "127.0.0.2" })),
      (put(bearer "t", { from = "127.0.0.2" })) })
  end)

  it("do not come from a page of another host", function()
    writable "true"
    for _, origin in ipairs { "http://evil.example", "null", "https://evil.example:8080",
      "http://here:81", "here" } do
      assert.equal(403, (put { Origin = origin, Host = "here" }), origin)
    end
    assert.equal("loaded", value(n))
    for _, origin in ipairs { "http://here:8080", "https://HERE:8080" } do
      assert.equal(204, (put { Origin = origin, Host = "here:8080" }), origin)
    end
  end)
end)

describe("writable and peer_changes", function()
  local process = require "support.process"

  local function check(script, ...)
    local path = tmp.dir() .. "/node.lua"
    tmp.write(path, script)
    return process.run { node.binary, "check", path, ... }
  end

  it("are refused with what is wrong", function()
    for rule, text in pairs {
      ["5"] = "writable is a number, and must be true, false, or a table with token",
      ["{}"] = "writable asks for nothing: write true if every client may change the group",
      ["{ tokens = 'x' }"] = 'unknown option "tokens"',
      ["{ token = 'a b\1' }"] = "writable: token is",
      ["{ token = 'ä' }"] = "writable.token has a byte that a token cannot have",
      ["{ token = {} }"] = "writable: token is a table",
      ["{ token_file = '/nowhere/token' }"] = "writable.token_file: /nowhere/token: No such file",
      ["{ token_file = '/dev/null' }"] = "writable.token_file /dev/null has no token",
      ["{ networks = { '10.0.0.0/33' } }"] = 'writable.networks: "10.0.0.0/33" is not an address',
    } do
      local out = check(([[require("groupcache").group("g", { getter = print, writable = %s })]])
        :format(rule))
      assert.is_not.equal(0, out.code, rule)
      assert.matches(text, out.stderr, 1, true)
    end
  end)

  it("are checked without a start", function()
    local script = [[require("groupcache").group("g", { getter = print })]]
    local out = check(script, "--peer-changes", "everyone")
    assert.is_not.equal(0, out.code)
    assert.matches('peer_changes: "everyone" is not "peers", "open", or a network', out.stderr, 1,
      true)
    assert.equal(0, check(script, "--peer-changes", "peers,10.0.0.0/8").code)
  end)
end)
