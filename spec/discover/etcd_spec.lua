-- SPDX-License-Identifier: MIT

-- A list of peers in etcd: Debian's own, killed, stopped, compacted, restarted, and three of them.

local certs = require "support.certs"
local etcd = require "support.etcd"
local eventually = require "support.eventually"
local listed = require "discover.listed"
local mime = require "mime"
local rig = require "node.rig"
local socket = require "socket"

local PREFIX = "/groupcache/nodes/"
local TTL = 2

describe("a list of peers in etcd", function()
  if not listed.has "etcd" then
    return
  end

  local servers, nodes

  local function start(options, opts)
    local hosts = {}
    for i, e in ipairs(servers) do
      hosts[i] = e.address
    end
    local n = listed.start(("etcd://%s%s?ttl=%d%s"):format(table.concat(hosts, ","), PREFIX, TTL,
      options or ""), opts)
    nodes[#nodes + 1] = n
    return n
  end

  local function urls()
    local all = {}
    for i, n in ipairs(nodes) do
      all[i] = n.url
    end
    return all
  end

  -- All nodes that run have exactly these nodes as their peers.
  local function agree(seconds)
    for _, n in ipairs(nodes) do
      listed.wait(n, urls(), seconds)
    end
  end

  local function take(i)
    return table.remove(nodes, i)
  end

  before_each(function()
    servers, nodes = {}, {}
  end)

  after_each(function()
    for _, n in ipairs(nodes) do
      n:kill9()
    end
    for _, e in ipairs(servers) do
      if e.process:alive() then
        e.process:stop("SIGKILL", 5)
      end
    end
  end)

  describe("of one member", function()
    before_each(function() servers[1] = etcd.start() end)

    it("has each node that starts, at once, and loses each that ends before it drains", function()
      for _ = 1, 3 do
        start("", { env = { GROUPCACHE_DRAIN_DELAY = "30" } })
      end
      agree()
      local list = servers[1]:keys(PREFIX)
      for _, n in ipairs(nodes) do
        assert.equal(n.url, list[PREFIX .. n.url:gsub("^http://", "")])
      end
      local leaving = take(2)
      leaving:signal "SIGTERM"
      agree(TTL + 1)
      assert.equal(200, leaving:get("g", "k").status)
      assert.equal(503, leaving:request({ target = "/readyz" }).status)
      leaving:signal "SIGTERM"
      assert.equal(0, leaving.process:wait(10))
      assert.equal(0, listed.count(nodes[1], 'msg="a source has lost most peers'))
    end)

    it("moves keys: a node that joins costs some of them a load, one that leaves none", function()
      local r, total = rig.new(), 0
      local script = r:script [[
        local groupcache = require "groupcache"
        groupcache.group("g", { hot = "never", getter = function(key)
          rig.record(key)
          return "value of " .. key
        end })
      ]]
      local function ask_all()
        local before = r:calls()
        for i = 1, 60 do
          for _, n in ipairs(nodes) do
            assert.equal("value of k" .. i, n:get("g", "k" .. i).body)
          end
        end
        for key, times in pairs(r:calls()) do
          assert.is_true(times - (before[key] or 0) <= 1, key)
        end
        local loads = r:total() - total
        total = r:total()
        return loads
      end
      for _ = 1, 3 do
        start("", { script = script })
      end
      agree()
      assert.equal(60, ask_all())
      start("", { script = script })
      agree()
      assert.is_true(ask_all() < 40)
      local leaving = take(4)
      leaving:signal "SIGTERM"
      agree(TTL + 1)
      assert.equal(0, ask_all())
      assert.equal(0, leaving.process:wait(10))
    end)

    it("loses two of three at once without a wait, if they say that they leave", function()
      for _ = 1, 3 do
        start("&ttl=30")
      end
      agree()
      local a, b = take(3), take(2)
      a:signal "SIGTERM"
      b:signal "SIGTERM"
      agree(5)
      assert.equal(0, listed.count(nodes[1], 'msg="a source has lost most peers'))
      assert.equal(0, a.process:wait(10))
      assert.equal(0, b.process:wait(10))
    end)

    it("loses a node that is killed within its lease and a second", function()
      for _ = 1, 3 do
        start()
      end
      agree()
      local began = socket.gettime()
      take(3):kill9()
      agree(TTL + 1)
      assert.is_true(socket.gettime() - began < TTL + 10) -- and a busy machine
    end)

    for _, signal in ipairs { "SIGTERM", "SIGKILL" } do
      it("stays while etcd is ended by " .. signal .. ", and goes on when it is back", function()
        start()
        start()
        agree()
        servers[1].process:stop(signal, 10)
        eventually(function() return listed.source(nodes[1]).errors > 0 end, listed.patience)
        agree(0.1)
        servers[1]:again()
        start()
        agree(30)
      end)
    end

    it("stays while etcd is stopped, and goes on when it runs again", function()
      start()
      start()
      agree()
      servers[1].process:freeze()
      eventually(function() return listed.source(nodes[1]).errors > 0 end, 30)
      agree(0.1)
      assert.matches("127.0.0.1:" .. servers[1].port, listed.source(nodes[1]).last_error, 1, true)
      servers[1].process:kill "SIGCONT"
      start()
      agree(30)
    end)

    it("is followed over compactions, also of what was watched when etcd ended", function()
      start()
      start()
      agree()
      local e, last = servers[1]
      local function compact()
        for i = 1, 5 do
          last = e:call("/v3/kv/put", { key = (mime.b64("/other/" .. i)), value = "AA==" })
        end
        e:call("/v3/kv/compaction", { revision = last.header.revision })
      end
      compact()
      start()
      agree()
      nodes[1].process:freeze()
      compact()
      e.process:stop("SIGKILL", 5)
      e:again()
      compact()
      nodes[1].process:kill "SIGCONT"
      start()
      agree(30)
    end)

    it("is begun anew when etcd comes back without its data", function()
      start()
      start()
      agree()
      servers[1].process:stop("SIGKILL", 5)
      require("support.tmp").remove(servers[1].dir .. "/data")
      servers[1]:again()
      start()
      agree(30)
    end)

    it("has a node's key again if somebody deletes it", function()
      start()
      servers[1]:call("/v3/kv/deleterange", {
        key = (mime.b64(PREFIX .. nodes[1].url:gsub("^http://", ""))) })
      eventually(function() return next(servers[1]:keys(PREFIX)) end, listed.patience)
      assert.equal(nodes[1].url, listed.peers(nodes[1]))
    end)

    it("leaves out values that are no URLs of peers", function()
      start()
      servers[1]:call("/v3/kv/put", { key = (mime.b64(PREFIX .. "junk")),
        value = (mime.b64 "ftp://x") })
      start()
      agree()
      assert.equal(1, listed.count(nodes[1], 'entry="ftp://x"'))
    end)

    it("is kept by a node that reloads its script, and left by one that has a list now", function()
      start()
      start()
      agree()
      local n, key = nodes[1], PREFIX .. nodes[1].url:gsub("^http://", "")
      local function reload(text)
        local before = listed.count(n, 'msg="reloaded"')
        require("support.tmp").write(n.script, listed.script .. text)
        n:signal "SIGHUP"
        eventually(function() return listed.count(n, 'msg="reloaded"') > before end,
          listed.patience)
      end
      reload ""
      agree(0.1)
      -- The lease of the old script expires, and the key stays.
      local until_time = socket.gettime() + TTL + 1
      eventually(function()
        assert.equal(n.url, servers[1]:keys(PREFIX)[key])
        return socket.gettime() > until_time
      end, TTL + 10)
      assert.equal(1, listed.count(nodes[2], 'msg="peers".-peers=2 '))
    end)

    it("needs a user and a password if etcd says so, whose token may expire", function()
      local e = servers[1]
      e:call("/v3/auth/user/add", { name = "root", password = "sesame" })
      e:call("/v3/auth/role/add", { name = "root" })
      e:call("/v3/auth/user/grant", { user = "root", role = "root" })
      e:call("/v3/auth/enable", {})
      e.process:stop("SIGKILL", 5)
      e.args = { "--auth-token-ttl", "1" }
      e.scheme = "http"
      e:again()
      local n = listed.start(("etcd://root:sesame@%s%s?ttl=3"):format(e.address, PREFIX))
      nodes[1] = n
      local wrong = listed.start(("etcd://root:wrong@%s%s"):format(e.address, PREFIX),
        { ready = false })
      eventually(function() return listed.source(wrong).errors > 0 end, listed.patience)
      assert.matches("authentication failed", listed.source(wrong).last_error, 1, true)
      assert.is_nil(wrong:log():find("wrong@", 1, true))
      wrong:kill9()
      local until_time = socket.gettime() + 5
      eventually(function() return socket.gettime() > until_time end, 10)
      listed.wait(n, { n.url }, 0.1)
      assert.equal(0, listed.source(n).errors)
      assert.is_nil(n:log():find("sesame", 1, true))
    end)
  end)

  describe("over TLS", function()
    it("is that of a server with a certificate of a known CA, which may want ours", function()
      local ca = certs.ca "gc"
      local pair = ca:issue { name = "etcd" }
      servers[1] = etcd.start { scheme = "https", args = { "--cert-file", pair.cert, "--key-file",
        pair.key, "--trusted-ca-file", ca.path, "--client-cert-auth" } }
      local tls = { cert = pair.cert, key = pair.key, ca = ca.path }
      local function source(options)
        return ("etcds://%s%s?ca_file=%s&ttl=2%s"):format(servers[1].address, PREFIX, ca.path,
          options)
      end
      nodes[1] = listed.start(source "&identity=yes", { tls = tls })
      listed.wait(nodes[1], { nodes[1].url })
      assert.equal(0, listed.source(nodes[1]).errors)
      nodes[2] = listed.start(source "", { tls = tls, ready = false })
      eventually(function() return listed.source(nodes[2]).errors > 0 end, listed.patience)
      nodes[3] = listed.start(("etcds://%s%s?ca_file=%s&identity=yes"):format(servers[1].address,
        PREFIX, certs.ca("other").path), { tls = tls, ready = false })
      eventually(function() return listed.source(nodes[3]).errors > 0 end, listed.patience)
      listed.wait(nodes[1], { nodes[1].url }, 0.1)
    end)
  end)

  describe("of three members", function()
    it("stays and goes on when the leader is killed", function()
      servers = etcd.cluster(3)
      start()
      start()
      agree()
      for i, e in ipairs(servers) do
        if e:is_leader() then
          e.process:stop("SIGKILL", 5)
          table.insert(servers, 1, table.remove(servers, i)) -- the first that a new node asks
          break
        end
      end
      start()
      agree(60)
      for _, n in ipairs(nodes) do
        assert.equal(0, listed.count(n, 'msg="a source has lost most peers'))
      end
      take(3):kill9()
      agree(30)
    end)
  end)
end)
