-- SPDX-License-Identifier: MIT

-- Nodes that ask each other over TLS, with certificates of one CA.

local certs = require "support.certs"
local eventually = require "support.eventually"
local nginx = require "support.nginx"
local node = require "support.node"
local ports = require "support.ports"
local rig = require "node.rig"
local tmp = require "support.tmp"
local versions = require "support.versions"

local SCRIPT = [[
  require("groupcache").group("g", { getter = function(key)
    rig.record(key)
    return "loaded " .. key
  end, writable = true, hot = "never" })
]]

local ca = certs.ca "the cluster"
local stranger = certs.ca "a stranger"

describe("a cluster with TLS", function()
  local nodes, r

  before_each(function()
    r = rig.new()
  end)

  after_each(function()
    rig.stop_all(nodes)
    nodes = nil
  end)

  -- each(i, pair) may return another pair for node i.
  local function start(count, each, more)
    local opts = { script = r:script(SCRIPT), tls = {}, each = function(i, o)
      local pair = certs.copy(each and each(i) or ca:issue())
      o.tls = { cert = pair.cert, key = pair.key, ca = ca.path, client_auth = "peers" }
      if more then
        more(i, o)
      end
    end }
    nodes = node.cluster(count, opts)
  end

  local function key_of(i, name)
    return rig.key_of(nodes, i, name)
  end

  local function get(n, key)
    return n:curl { "/cache/g/" .. key, args = { "-D", n.dir .. "/head" } },
      tmp.read(n.dir .. "/head"):match "X%-Cache: (%w+)"
  end

  it("loads each key once, at its owner, whichever node is asked", function()
    start(3)
    for owner = 1, 3 do
      local key = key_of(owner, "key")
      for _, n in ipairs(nodes) do
        local res, source = get(n, key)
        assert.equal("loaded " .. key, res.body)
        assert.is_true(n == nodes[owner] or source == "peer", source)
      end
      assert.equal(1, r:calls()[key])
    end
  end)

  it("asks for several keys in one exchange", function()
    start(2)
    local keys = {}
    for i = 1, 20 do
      keys[i] = ("%q"):format(key_of(2, "many-" .. i))
    end
    local body = "[" .. table.concat(keys, ",") .. "]"
    assert.equal(200, nodes[1]:curl { "/cache/g", method = "POST", body = body }.status)
    assert.equal(200, nodes[1]:curl { "/cache/g", method = "POST", body = body }.status)
    assert.is_true(nodes[1]:stats().peers[2].batches >= 1)
    assert.equal(20, r:total())
  end)

  it("sets, removes and flushes at every node", function()
    start(3)
    for owner = 1, 3 do
      local key = key_of(owner, "key")
      local function all(value)
        for _, n in ipairs(nodes) do
          assert.equal(value, get(n, key).body)
        end
      end
      all("loaded " .. key)
      assert.equal(204, nodes[1]:curl { "/cache/g/" .. key, method = "PUT", body = "set" }.status)
      all "set"
      assert.equal(204, nodes[2]:curl { "/cache/g/" .. key, method = "DELETE" }.status)
      all("loaded " .. key)
      assert.equal(204, nodes[1]:curl { "/cache/g/" .. key, method = "PUT", body = "set" }.status)
      assert.equal(204, nodes[3]:curl { "/cache/g", method = "DELETE" }.status)
      all("loaded " .. key)
    end
  end)

  -- nginx in the place of a node tells of each request on which connection it came, and whether
  -- the session of that was resumed. It has no values, so keys are loaded here.
  local function beside_nginx(config, keys)
    local pair, own = ca:issue(), certs.copy(ca:issue())
    local port, self_port, log = ports.free(), ports.free(), tmp.dir() .. "/log"
    local n = nginx.start {
      http = "log_format tls '$connection $ssl_client_verify $ssl_session_reused';",
      config = ([[listen 127.0.0.1:%d ssl; ssl_certificate %s; ssl_certificate_key %s;
        ssl_client_certificate %s; ssl_verify_client on; ssl_protocols TLSv1.3;
        access_log %s tls; %s]])
        :format(port, pair.cert, pair.key, ca.path, log, config),
    }
    local self, other = "https://127.0.0.1:" .. self_port, "https://127.0.0.1:" .. port
    nodes = { node.start { script = r:script(SCRIPT), port = self_port, peers = { self, other },
      tls = { cert = own.cert, key = own.key, ca = ca.path } } }
    local function ask(from, to)
      for i = from, to do
        get(nodes[1], rig.owned_by({ self, other }, other, "key-" .. i))
      end
    end
    local function lines()
      return select(2, tmp.read(log):gsub("[^\n]+", ""))
    end
    ask(1, keys)
    eventually(function() return lines() == keys end, 10, "the log of nginx")
    rig.reload { nodes[1] }
    ask(keys + 1, keys + 1)
    eventually(function() return lines() == keys + 1 end, 10, "the log of nginx")
    n:stop()
    local connections, resumed = {}, {}
    for connection, verified, reused in tmp.read(log):gmatch "(%S+) (%S+) (%S+)\n" do
      assert.equal("SUCCESS", verified)
      connections[#connections + 1], resumed[#resumed + 1] = connection, reused
    end
    return connections, table.concat(resumed)
  end

  it("keeps connections, and makes new ones once the certificates were read again", function()
    local connections = beside_nginx("", 5)
    for i = 2, 5 do
      assert.equal(connections[1], connections[i])
    end
  end)

  it("resumes sessions on new connections, but not those from before a reload", function()
    local _, resumed = beside_nginx("keepalive_timeout 0;", 5)
    -- libcurl 8.23 keeps no session with a client certificate that it got in memory; 8.14 does.
    assert(resumed == ".rrrr." or (resumed == "......" and versions.at_least("libcurl", "8.15")),
      resumed)
  end)

  -- what is wrong with node 2 -> its certificate, what the log of node 1 says
  local WRONG = {
    { "of another CA", function() return stranger:issue() end,
      "unable to get local issuer certificate" },
    { "that has expired", function() return ca:issue { until_ = -60 } end,
      "certificate has expired" },
    { "that is not valid yet", function() return ca:issue { from = 3600 } end, "not yet valid" },
    { "of another name", function() return ca:issue { san = "DNS:elsewhere" } end,
      "no alternative certificate subject name matches" },
    { "for clients only", function() return ca:issue { usage = "clientAuth" } end, "purpose" },
  }

  for _, wrong in ipairs(WRONG) do
    local name, make, said = unpack(wrong)
    it(("does not use a node with a certificate %s, and says so once"):format(name), function()
      start(2, function(i) return i == 2 and make() or nil end)
      for i = 1, 5 do
        local key = key_of(2, "key-" .. i)
        local res, source = get(nodes[1], key)
        assert.same({ "loaded " .. key, "local" }, { res.body, source })
      end
      assert.equal(5, rig.peer(nodes[1], nodes[2].url).errors)
      rig.check_shut_out(nodes, 1, 2, "g")
      local log = nodes[1]:log()
      assert.matches(said, log, 1, true)
      local _, times = log:gsub("peer cannot be used before a certificate is changed", "")
      assert.equal(1, times)
    end)
  end

  it("tells a node whose certificate the others refuse, and changes nothing for it", function()
    start(2, function(i) return i == 1 and ca:issue { usage = "serverAuth" } or nil end)
    local key = key_of(2, "key")
    assert.equal("loaded " .. key, get(nodes[2], key).body)
    local res = nodes[1]:curl { "/cache/g/" .. key, method = "PUT", body = "set" }
    assert.equal(502, res.status)
    assert.matches("alert unsupported certificate", res.body, 1, true)
    assert.equal("loaded " .. key, get(nodes[2], key).body)
    get(nodes[1], key)
    assert.is_truthy(nodes[1]:logged "peer cannot be used before a certificate is changed.*alert")
    assert.is_truthy(nodes[2]:logged 'msg="handshakes failed"')
  end)

  it("does not wait for a node that stands still longer than connect_timeout", function()
    start(2, nil, function(_, o) o.args = { "--connect-timeout", "0.3" } end)
    nodes[2]:freeze()
    local key = key_of(2, "key")
    local res, source = get(nodes[1], key)
    nodes[2]:signal "SIGCONT"
    assert.same({ "loaded " .. key, "local" }, { res.body, source })
    assert.is_truthy(nodes[1]:logged "no connection within 300 ms")
  end)

  it("asks a node without TLS in vain, and says so once", function()
    local plain = node.start { script = r:script(SCRIPT) }
    local own = certs.copy(ca:issue())
    local port = ports.free()
    local self, other = "https://127.0.0.1:" .. port, "https://127.0.0.1:" .. plain.port
    nodes = { node.start { script = r:script(SCRIPT), port = port, peers = { self, other },
      tls = { cert = own.cert, key = own.key, ca = ca.path } } }
    for i = 1, 3 do
      assert.equal(200, get(nodes[1], rig.owned_by({ self, other }, other, "key-" .. i)).status)
    end
    rig.stop(plain)
    -- libmicrohttpd 1.0 answers nothing to a handshake, as a peer that has died in between.
    local what = versions.at_least("libmicrohttpd", "1.0") and "peer could not be used"
      or "peer cannot be used before a certificate is changed"
    assert.equal(1, select(2, nodes[1]:log():gsub(what, "")))
  end)

  -- Sends gets to all nodes, each on a new connection, while fn runs. All must have been answered.
  local function under_load(fn)
    local process = require "support.process"
    local clients, going = {}, tmp.dir() .. "/going"
    tmp.write(going, "")
    for i, n in ipairs(nodes) do
      -- Each call of curl reads the CA file again. Keys are new, so peers are asked.
      local ask = "curl -sS -o /dev/null -w '%{http_code}\\n' "
        .. ("--cacert %s '%s/cache/g/%d-'$i'-[1-5]'"):format(n.tls.ca, n.url, i)
      local script = ("i=0; while [ -e %s ]; do i=$((i+1)); %s; done"):format(going, ask)
      clients[i] = process.spawn { "sh", "-c", script, stdout = going .. i, stderr = going .. i }
    end
    local function answers()
      local good, bad = 0, {}
      for i = 1, #nodes do
        for line in tmp.read(going .. i):gmatch "[^\n]+" do
          if line == "200" then
            good = good + 1
          else
            bad[#bad + 1] = line
          end
        end
      end
      return good, bad
    end
    local function more(count)
      local before = answers()
      eventually(function() return (answers()) >= before + count end, 30, "more answers")
    end
    more(30)
    fn(more)
    more(30)
    os.remove(going)
    for _, c in ipairs(clients) do
      assert.equal(0, (c:wait(10)))
    end
    local _, bad = answers()
    assert.same({}, bad)
    assert.equal(0, rig.peer_errors(nodes))
  end

  it("takes new certificates and a new CA under load, and fails no request", function()
    local old, new = certs.ca "old", certs.ca "new"
    local bundle = tmp.file(tmp.read(old.path), "ca.pem")
    start(3, function() return old:issue() end, function(_, o) o.tls.ca = bundle end)
    under_load(function(more)
      for _, n in ipairs(nodes) do
        certs.replace_pair(n.tls, old:issue())
      end
      rig.reload(nodes)
      more(30)
      certs.replace(bundle, tmp.read(old.path) .. tmp.read(new.path))
      rig.reload(nodes)
      more(30)
      for _, n in ipairs(nodes) do
        certs.replace_pair(n.tls, new:issue())
        rig.reload(nodes)
      end
      more(30)
      certs.replace(bundle, tmp.read(new.path))
      rig.reload(nodes)
    end)
    -- The old CA is not believed any more: neither its certificates nor its sessions.
    local res = nodes[1]:curl { "/_groupcache/g/k", cert = old:issue() }
    assert.matches("alert unknown ca", res.error, 1, true)
    assert.equal(200, nodes[1]:curl { "/_groupcache/g/k", cert = new:issue() }.status)
  end)

  it("keeps the old pair if the new one does not fit, and says why", function()
    start(2)
    local n = nodes[1]
    certs.replace(n.tls.key, tmp.read(ca:issue().key))
    n:signal "SIGHUP"
    eventually(function()
      return n:logged 'msg="not reloaded: the node goes on as it was" error="tls.cert and tls.key: '
    end, 10, "the log says why")
    assert.equal(200, get(n, key_of(2, "key")).status)
    assert.equal(200, get(nodes[2], key_of(1, "key")).status)
    certs.replace_pair(n.tls, ca:issue())
    rig.reload { n }
    assert.equal(200, get(n, key_of(2, "more")).status)
  end)

  it("forgets after a reload that a peer's certificate was wrong", function()
    start(2, function(i) return i == 2 and ca:issue { until_ = -60 } or nil end)
    local _, source = get(nodes[1], key_of(2, "a"))
    assert.equal("local", source)
    certs.replace_pair(nodes[2].tls, ca:issue())
    rig.reload { nodes[2] }
    _, source = get(nodes[1], key_of(2, "b"))
    assert.equal("peer", source)
  end)
end)
