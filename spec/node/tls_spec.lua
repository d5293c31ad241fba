-- SPDX-License-Identifier: MIT

-- TLS of a node's server: versions, handshakes, who must show a certificate, and what the others
-- are told.

local certs = require "support.certs"
local http = require "support.http"
local node = require "support.node"
local process = require "support.process"
local rig = require "node.rig"
local tmp = require "support.tmp"
local verbs = require "node.verbs"

local SCRIPT = [[
  require("groupcache").group("g", { getter = function() return "loaded" end })
]]

local ca = certs.ca "the cluster"
local stranger = certs.ca "a stranger"
local own = ca:issue()

local function start(client_auth, more)
  local opts = { script = SCRIPT, args = { "--dialect", "groupcache-go" },
    tls = { cert = own.cert, key = own.key, ca = ca.path, client_auth = client_auth } }
  for name, value in pairs(more or {}) do
    opts[name] = value
  end
  return node.start(opts)
end

-- The certificates of clients that must be refused -> what curl and the log say.
local WRONG = {
  { "of another CA", stranger:issue(), "alert unknown ca", "issuer is unknown" },
  { "that has expired", ca:issue { until_ = -60 }, "alert certificate expired", "expired" },
  { "that is not valid yet", ca:issue { from = 3600 }, "alert bad certificate", "not yet valid" },
  { "for servers only", ca:issue { usage = "serverAuth" }, "alert unsupported certificate",
    "intended purpose" },
  { "for mail only", ca:issue { usage = "emailProtection" }, "alert unsupported certificate",
    "intended purpose" },
}

describe("a node with TLS", function()
  local n

  after_each(function()
    rig.stop(n)
    n = nil
  end)

  local function value(more)
    local opts = { "/cache/g/k" }
    for name, given in pairs(more or {}) do
      opts[name] = given
    end
    return n:curl(opts)
  end

  it("speaks TLS 1.3 and 1.2, and tells a client with 1.1 so", function()
    n = start "none"
    for _, version in ipairs { "1.3", "1.2" } do
      assert.same({ 200, "loaded" }, { value { args = { "--tls-max", version } }.status,
        value { args = { "--tls-max", version } }.body })
    end
    local old = value { args = { "--tls-max", "1.1", "--ciphers", "DEFAULT:@SECLEVEL=0" } }
    assert.same({ 0, 35 }, { old.status, old.code })
    assert.matches("alert protocol version", old.error, 1, true)
    assert.is_truthy(n:logged 'error="the client has no TLS 1.2 or 1.3"')
    for _, cipher in ipairs { "AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA256" } do
      local weak = value { args = { "--tls-max", "1.2", "--ciphers", cipher } }
      assert.matches("alert handshake failure", weak.error, 1, true)
    end
  end)

  it("shows a certificate that curl, OpenSSL and GnuTLS verify", function()
    n = start "none"
    assert.equal(60, value { ca = stranger.path }.code)
    assert.equal(200, value().status)
    local ask = ("GET /cache/g/k HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
    local openssl = process.run { "openssl", "s_client", "-connect", "127.0.0.1:" .. n.port,
      "-quiet", "-ign_eof", "-verify_return_error", "-verify_ip", "127.0.0.1", "-CAfile", ca.path,
      input = ask }
    assert.matches("200 OK.*loaded", openssl.stdout)
    local gnutls = process.run { "gnutls-cli", "--x509cafile", ca.path, "-p", n.port, "--logfile",
      "/dev/null", "127.0.0.1", input = ask }
    assert.matches("200 OK.*loaded", gnutls.stdout)
    local wrong = process.run { "gnutls-cli", "--x509cafile", stranger.path, "-p", n.port,
      "127.0.0.1", input = ask }
    assert.is_not.equal(0, wrong.code)
  end)

  it("tells who asks without TLS", function()
    n = start "none"
    local res = assert(http.get("http://127.0.0.1:" .. n.port .. "/cache/g/k"))
    assert.same({ 400, '{"error":"this port speaks TLS: ask with https://","code":"INVAL"}\n' },
      { res.status, res.body })
    assert.is_truthy(n:logged 'error="a request without TLS"')
  end)

  it("answers over TLS what libmicrohttpd itself refuses", function()
    n = start "none"
    for size, status in pairs { [8000] = 200, [12000] = 431, [40000] = 431 } do
      local res = value { headers = { "X-Large: " .. ("a"):rep(size) } }
      assert.same({ status, 0 }, { res.status, res.code })
    end
    assert.equal(200, value().status)
  end)

  it("has its own port for operators, without TLS", function()
    n = start "all"
    assert.equal(200, assert(http.get(n.admin .. "/readyz")).status)
    assert.is_table(n:stats().groups.g)
  end)

  it("resumes sessions at each of its threads, until it reads its certificates again", function()
    n = start("none", { args = { "--http-threads", 3 } })
    local session = tmp.dir() .. "/session"
    local function connect(...)
      local argv = { "openssl", "s_client", "-connect", "127.0.0.1:" .. n.port, "-CAfile", ca.path,
        "-ign_eof", ... }
      argv.input = "GET /healthz HTTP/1.0\r\n\r\n"
      return process.run(argv).stdout
    end
    for _, version in ipairs { "-tls1_3", "-tls1_2" } do
      assert.matches("New, TLSv1.%d", connect("-sess_out", session, version))
      for _ = 1, 6 do
        assert.matches("Reused, TLSv1.%d", connect("-sess_in", session, version))
      end
    end
    rig.reload { n }
    assert.matches("New, TLSv1.2", connect("-sess_in", session, "-tls1_2"))
  end)

  it("spends no time on handshakes that stand still, and ends them after ten seconds", function()
    n = start "peers"
    local hello = "\22\3\1\1\x2c\1\0\1\x28\3\3" .. ("r"):rep(39) -- 50 bytes of 305
    assert.equal(50, #hello)
    local function cpu_ms()
      local user, system = tmp.read(("/proc/%d/stat"):format(n.process.pid))
        :match "%) %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ (%d+) (%d+)"
      return (user + system) * 10
    end
    local before, ended, fns = cpu_ms(), {}, {}
    for i = 1, 100 do
      fns[i] = function()
        ended[i] = select(2, http.raw("127.0.0.1", n.port, hello, { timeout = 60 }))
      end
    end
    local began = os.time()
    http.together(fns)
    local took, spent = os.time() - began, cpu_ms() - before
    for i = 1, 100 do
      assert.equal("closed", ended[i])
    end
    assert.is_true(took >= 9, "they ended after " .. took .. " s")
    if not (os.getenv "SAN" or os.getenv "GROUPCACHED_WRAP") then
      assert.is_true(spent <= took * 20, ("%d ms in %d s"):format(spent, took))
    end
    assert.is_truthy(n:logged 'error="the client took more than 10 seconds"')
    assert.equal(200, value().status)
  end)
end)

describe("client_auth", function()
  local n

  after_each(function()
    rig.stop(n)
    n = nil
  end)

  local function ask(verb, cert)
    return n:curl { verb.target, method = verb.method, body = verb.body, headers = verb.headers,
      cert = cert }
  end

  -- No request of these ran a getter or changed a value.
  local function unchanged(before)
    local now = n:stats().groups.g
    for _, name in ipairs { "gets", "loads", "sets", "removes", "flushes" } do
      assert.equal(before[name], now[name], name)
    end
  end

  it('"peers": all of base_path takes a certificate', function()
    n = start "peers"
    local before = n:stats().groups.g
    for _, verb in ipairs(verbs.all("k", "told")) do
      local res = ask(verb)
      assert.equal(403, res.status, verb.name)
      assert.matches("only a node with a certificate of this node's tls.ca is served", res.body, 1,
        true)
    end
    unchanged(before)
    assert.is_truthy(n:logged 'msg="requests to base_path were refused" count=1 sender=127.0.0.1')
  end)

  it('"peers": a certificate of the CA opens it, from any address and without a list', function()
    n = start "peers"
    local cert = ca:issue { name = "another node", san = "DNS:another", usage = "clientAuth" }
    for _, verb in ipairs(verbs.all("k", "told")) do
      assert.equal(200, ask(verb, cert).status, verb.name)
    end
  end)

  it('"peers": clients need none, and change what the group lets them', function()
    n = start("peers", { script = [[
      require("groupcache").group("g", { getter = function() return "loaded" end, writable = true })
    ]] })
    assert.equal("loaded", n:curl { "/cache/g/k" }.body)
    assert.equal(204, n:curl { "/cache/g/k", method = "PUT", body = "put" }.status)
    assert.equal("put", n:curl { "/cache/g/k" }.body)
    assert.equal(200, n:curl { "/healthz" }.status)
  end)

  it('"peers": a browser with a certificate changes nothing', function()
    n = start "peers"
    for _, verb in ipairs(verbs.all("k", "told")) do
      if verb.method ~= "GET" and verb.name ~= "a batch" then
        verb.headers = { "Origin: https://127.0.0.1", unpack(verb.headers or {}) }
        assert.equal(403, ask(verb, own).status, verb.name)
      end
    end
  end)

  it('"all": nobody is served without a certificate', function()
    n = start "all"
    local before = n:stats().groups.g
    for _, target in ipairs { "/cache/g/k", "/healthz", "/_groupcache/g/k" } do
      local res = n:curl { target }
      assert.equal(0, res.status)
      assert.matches("alert certificate required", res.error, 1, true)
      local older = n:curl { target, args = { "--tls-max", "1.2" } }
      assert.matches("alert handshake failure", older.error, 1, true)
    end
    unchanged(before)
    assert.is_truthy(n:logged 'error="the client shows no certificate"')
    assert.equal("loaded", n:curl { "/cache/g/k", cert = own }.body)
  end)

  it('"all": clients have certificates, too, so changes come from listed peers only', function()
    n = start "all"
    for _, verb in ipairs(verbs.all("k", "told")) do
      local reads = verb.method == "GET" or verb.name == "a batch"
      assert.equal(reads and 200 or 403, ask(verb, own).status, verb.name)
    end
  end)

  it('"none": nobody is asked for one', function()
    n = start "none"
    assert.equal(200, ask(verbs.all("k", "told")[1], stranger:issue()).status)
  end)

  for _, who in ipairs { "peers", "all" } do
    it(('"%s": a wrong certificate is refused, and the client is told why'):format(who), function()
      for _, wrong in ipairs(WRONG) do
        local name, cert, said, logged = unpack(wrong)
        n = start(who)
        local before = n:stats().groups.g
        for _, verb in ipairs(verbs.all("k", "told")) do
          local res = ask(verb, cert)
          assert.equal(0, res.status, name)
          assert.matches(said, res.error, 1, true)
        end
        unchanged(before)
        assert.matches(logged, n:log(), 1, true)
        rig.stop(n)
        n = nil
      end
    end)
  end
end)

describe("tls_faces", function()
  local ports = require "support.ports"

  local function start_parted(faces)
    local peers, clients = ports.free(), ports.free()
    return start("none", { args = { "--peer-listen", "127.0.0.1:" .. peers, "--client-listen",
      "127.0.0.1:" .. clients, "--tls-faces", faces } }),
      "://127.0.0.1:" .. peers .. "/_groupcache/g/k", "://127.0.0.1:" .. clients .. "/cache/g/k"
  end

  it("says which of parted faces speak TLS", function()
    for faces, schemes in pairs { all = { "https", "https" }, peers = { "https", "http" },
      clients = { "http", "https" } } do
      local n, of_peers, of_clients = start_parted(faces)
      assert.equal(200, n:curl { schemes[1] .. of_peers }.status, faces)
      assert.equal(200, n:curl { schemes[2] .. of_clients }.status, faces)
      rig.stop(n)
    end
  end)

  it("does not hold for a UNIX socket, which is plain", function()
    local path = tmp.dir() .. "/socket"
    local n = start("all", { args = { "--client-listen", "unix:" .. path } })
    assert.equal(200, n:curl { "http://h/cache/g/k", args = { "--unix-socket", path } }.status)
    rig.stop(n)
  end)
end)

describe("the settings of TLS", function()
  local function check(script, ...)
    local path = tmp.dir() .. "/node.lua"
    tmp.write(path, SCRIPT .. script)
    local r = process.run { node.binary, "check", path, ... }
    return r.code == 0 or r.stderr
  end

  local function tls(fields)
    return ("return { tls = { %s } }"):format(fields)
  end

  local good = ("cert = %q, key = %q, ca = %q"):format(own.cert, own.key, ca.path)

  it("are a table in a script, and flags", function()
    assert.is_true(check(tls(good .. ', client_auth = "all"')))
    local path = tmp.dir() .. "/node.lua"
    tmp.write(path, SCRIPT .. tls(good))
    assert.equal("", process.run { node.binary, "check", path }.stderr)
    assert.is_true(check("", "--tls-cert", own.cert, "--tls-key", own.key, "--tls-ca", ca.path))
    assert.is_true(check(tls(("ca = %q"):format(ca.path))))
  end)

  it("are refused with what is wrong", function()
    local other = ca:issue()
    local empty, text = tmp.file("", "empty.pem"), tmp.file("no certificate\n", "text.pem")
    for fields, said in pairs {
      [good:gsub("key =", "keys =")] = 'tls: unknown option "keys", the nearest is "key"',
      [("cert = %q"):format(own.cert)] = "tls: cert and key belong together, and key is missing",
      [("cert = %q, key = %q"):format(own.cert, other.key)] = "tls.cert and tls.key: ",
      [("cert = %q, key = %q"):format(own.cert, own.cert)] = "tls.cert and tls.key: ",
      [("cert = %q, key = '/nowhere/key'"):format(own.cert)] =
        "tls.key /nowhere/key: No such file or directory",
      [("cert = %q, key = %q"):format(empty, own.key)] = "the file is empty",
      [("cert = %q, key = %q, ca = %q"):format(own.cert, own.key, text)] =
        "tls.ca: the file has no certificate in PEM",
      [("ca = %q"):format(text)] = "tls.ca: the file has no certificate in PEM",
      [good .. ", client_auth = 'some'"] = 'client_auth is "some", and must be one of "none"',
      [("cert = %q, key = %q, client_auth = 'all'"):format(own.cert, own.key)] =
        'tls.client_auth is "all", and tls.ca is missing',
      [("ca = %q, client_auth = 'all'"):format(ca.path)] =
        "tls.client_auth is set, and tls.cert is missing",
    } do
      assert.matches(said, check(tls(fields)), 1, true)
    end
    assert.matches("tls is a string, and must be a table", check "return { tls = 'x' }", 1, true)
  end)

  it("may name a certificate that has expired, which the log says", function()
    local old = ca:issue { until_ = -60 }
    local n = start("none", { tls = { cert = old.cert, key = old.key, ca = ca.path,
      client_auth = "none" } })
    assert.is_truthy(n:logged 'msg="the certificate has expired" until=')
    assert.equal(60, n:curl { "/cache/g/k" }.code)
    rig.stop(n)
  end)
end)
