-- SPDX-License-Identifier: MIT

-- A port that takes plain HTTP beside TLS, and the way of a running cluster from http to https.

local certs = require "support.certs"
local eventually = require "support.eventually"
local http = require "support.http"
local node = require "support.node"
local ports = require "support.ports"
local rig = require "node.rig"
local tmp = require "support.tmp"
local verbs = require "node.verbs"

local ca = certs.ca "the cluster"

local function tls_of(plain)
  local pair = ca:issue()
  return { cert = pair.cert, key = pair.key, ca = ca.path, client_auth = "peers",
    plain = plain and "yes" or nil }
end

describe("a node with tls_plain", function()
  local n

  before_each(function()
    n = node.start { tls = tls_of(true), args = { "--dialect", "groupcache-go" }, script = [[
      require("groupcache").group("g", { getter = function() return "loaded" end,
        writable = true, max_value_bytes = "2MB" })
    ]] }
  end)

  after_each(function()
    rig.stop(n)
  end)

  local function plain(opts)
    opts.port = n.port
    return http.request(opts)
  end

  it("answers each client in its own way, on one port", function()
    for _ = 1, 20 do
      assert.equal("loaded", assert(plain { target = "/cache/g/k" }).body)
      assert.equal("loaded", n:curl { "/cache/g/k" }.body)
    end
    assert.is_truthy(n:logged 'msg="plain HTTP is taken beside TLS, from anybody" addr=127.0.0.1:')
    assert.is_nil(n:logged "handshakes failed")
  end)

  it("serves plain connections as a node without TLS does", function()
    local conn = assert(http.connect("127.0.0.1", n.port))
    for _ = 1, 10 do
      local res = assert(conn:request { target = "/cache/g/k" })
      assert.same({ "loaded", true }, { res.body, res.keep_alive })
    end
    conn:close()
    local body = ("x"):rep(1500000)
    assert.equal(204, plain { target = "/cache/g/large", method = "PUT", body = body }.status)
    assert.equal(body, plain { target = "/cache/g/large" }.body)
    -- a byte at a time, from the first one on
    local request, pieces = "GET /cache/g/k HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", {}
    for i = 1, #request do
      pieces[i] = request:sub(i, i)
    end
    assert.matches("^HTTP/1.1 200 OK.*loaded$",
      (http.raw("127.0.0.1", n.port, pieces, { gap = 0.002, timeout = 10 })))
  end)

  it("takes no changes from plain connections but those of peer_changes", function()
    for _, verb in ipairs(verbs.all("k", "told")) do
      local headers = {}
      for _, line in ipairs(verb.headers or {}) do
        local name, value = line:match "^(.-): (.*)$"
        headers[name] = value
      end
      local res = plain { method = verb.method, target = verb.target, body = verb.body,
        headers = headers }
      local reads = verb.method == "GET" or verb.name == "a batch"
      assert.equal(reads and 200 or 403, res.status, verb.name)
      assert.equal(403, n:curl { verb.target, method = verb.method, body = verb.body,
        headers = verb.headers }.status, verb.name)
    end
  end)

  it("takes many clients of both kinds at once", function()
    local fns, good = {}, 0
    for i = 1, 60 do
      fns[i] = function()
        for _ = 1, 5 do
          local res = plain { target = "/cache/g/k" }
          good = good + (res and res.status == 200 and 1 or 0)
        end
      end
    end
    http.together(fns)
    assert.equal(300, good)
  end)
end)

describe("a running cluster", function()
  it("moves from http to https, and loses neither a key nor a request", function()
    local r = rig.new()
    local count = 3
    local chosen, nodes, plain, secure = {}, {}, {}, {}
    for i = 1, count do
      chosen[i] = ports.free()
      plain[i] = "http://127.0.0.1:" .. chosen[i]
      secure[i] = "https://127.0.0.1:" .. chosen[i]
    end
    local script = r:file("node.lua", "")
    local function write(peers)
      tmp.write(script, r:script(([[
        require("groupcache").group("g", { hot = "never", writable = true,
          getter = function(key) rig.record(key) return "loaded" end })
        return { peers = { "%s" }, drain_timeout = 0 } -- so nothing is handed to next owners
      ]]):format(table.concat(peers, '", "'))))
    end
    local function start(i, tls, self, ...)
      nodes[i] = node.start { script = script, port = chosen[i], self = self, tls = tls,
        args = { ... } }
    end
    local keys = {}
    for i = 1, 60 do
      keys[i] = "key-" .. i
    end
    -- Every node answers every key from the owner that the first ring has; who answers in what way
    -- is up to the round.
    local function look(over_tls)
      eventually(function() -- a node that joins gets loads when it has been told of changes
        for _, n in ipairs(nodes) do
          for _, peer in ipairs(n:stats().peers) do
            if not peer.up then return false end
          end
        end
        return true
      end, 10, "all nodes are in use")
      for _, key in ipairs(keys) do
        for i, n in ipairs(nodes) do
          local res
          if over_tls then
            res = n:curl { "/cache/g/" .. key, args = { "-D", n.dir .. "/head" } }
            res.source = tmp.read(n.dir .. "/head"):match "X%-Cache: (%w+)"
          else
            res = assert(http.get(plain[i] .. "/cache/g/" .. key))
            res.source = res.headers["x-cache"]
          end
          assert.same({ 200, "loaded" }, { res.status, res.body })
          assert.equal(rig.owner(plain, key) ~= plain[i], res.source == "peer", key .. res.source)
        end
      end
      assert.equal(0, rig.peer_errors(nodes))
    end
    local function change(over_tls)
      for i, n in ipairs(nodes) do
        local res = over_tls and n:curl { "/cache/g/" .. keys[i], method = "DELETE" }
          or http.request { url = plain[i] .. "/cache/g/" .. keys[i], method = "DELETE" }
        assert.equal(204, res.status, res.body)
      end
    end

    write(plain)
    for i = 1, count do
      start(i, nil, plain[i])
    end
    look()
    assert.equal(#keys, r:total())

    for i = 1, count do -- 1: certificates
      rig.stop(nodes[i])
      start(i, tls_of(true), plain[i], "--ring-scheme", "http")
    end
    look()
    change()

    write(secure) -- 2: the list, node by node, while the others still have the old one
    for i, n in ipairs(nodes) do
      rig.reload { n }
      look(i == count)
      change(true)
    end

    for i = 1, count do -- 3: TLS only
      rig.stop(nodes[i])
      start(i, tls_of(), secure[i], "--ring-scheme", "http")
      change(true)
    end
    look(true)
    assert.equal(400, assert(http.get(plain[1] .. "/cache/g/k")).status)
    rig.stop_all(nodes)
  end)
end)
