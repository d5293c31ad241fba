-- SPDX-License-Identifier: MIT

-- examples/origin.lua before an nginx with a certificate of our own authority: restarted, busy,
-- slow, and another than it says.

local eventually = require "support.eventually"
local many = require "sources.many"
local nginx = require "support.nginx"
local node = require "support.node"
local ports = require "support.ports"
local process = require "support.process"
local rig = require "node.rig"
local tmp = require "support.tmp"

local EXAMPLE = "examples/origin.lua"

describe("examples/origin.lua", function()
  local dir, root, port, server, n

  local function openssl(...)
    local out = process.run { "openssl", ... }
    assert.equal(0, out.code, out.stderr)
  end

  -- An authority, and a certificate for 127.0.0.1 that it signed: NAME-ca.pem, NAME.pem, NAME.key.
  local function authority(name)
    local path = dir .. "/" .. name
    local key = { "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes" }
    openssl("req", "-x509", "-days", "2", "-subj", "/CN=authority " .. name, "-keyout",
      path .. "-ca.key", "-out", path .. "-ca.pem", unpack(key))
    openssl("req", "-subj", "/CN=" .. name, "-keyout", path .. ".key", "-out", path .. ".csr",
      unpack(key))
    tmp.write(path .. ".ext", "subjectAltName=IP:127.0.0.1\n")
    openssl("x509", "-req", "-days", "2", "-in", path .. ".csr", "-CA", path .. "-ca.pem",
      "-CAkey", path .. "-ca.key", "-CAcreateserial", "-extfile", path .. ".ext", "-out",
      path .. ".pem")
  end

  -- flaky/ and cut/ fail when a URL is asked for the first time in a minute: what goes over the
  -- limit of requests is what gets a page.
  local function start_server(certificate)
    local pem = dir .. "/" .. (certificate or "ours")
    server = nginx.start { root = root,
      http = "limit_req_zone $request_uri zone=once:1m rate=1r/m;",
      config = ([[
        listen 127.0.0.1:%d ssl backlog=1024;
        ssl_certificate %s.pem;
        ssl_certificate_key %s.key;
        limit_req_status 429;
        error_page 429 = @page;
        location @page { return 200 "at last"; }
        location /flaky/ { limit_req zone=once; try_files /nowhere =503; }
        location /cut/ { limit_req zone=once; try_files /nowhere =444; }
        location /busy/ { return 503; }
        location /moved/ { return 301 /elsewhere; }
      ]]):format(port, pem, pem) }
  end

  local function asked()
    local times, total = {}, 0
    for _, r in ipairs(server:requests()) do
      times[r.uri] = (times[r.uri] or 0) + 1
      total = total + 1
    end
    return times, total
  end

  setup(function()
    dir, port = tmp.dir(), ports.free()
    root = dir .. "/www"
    authority "ours"
    authority "theirs"
    for _, key in ipairs(many.keys(1000)) do
      tmp.write(root .. "/" .. key, many.value(key))
    end
  end)

  before_each(function()
    start_server()
    n = node.start { script = EXAMPLE, env = { CA_FILE = dir .. "/ours-ca.pem",
      ORIGIN = "https://127.0.0.1:" .. port } }
  end)

  after_each(function()
    rig.stop(n)
    n = nil
    if server then
      server:stop()
      server = nil
    end
  end)

  it("loads a thousand pages, each once", function()
    local keys = many.keys(1000)
    assert.same({ ["local"] = 1000 }, many.right(many.ask(n, "pages", keys)))
    assert.same({ main = 1000 }, many.right(many.ask(n, "pages", keys)))
    eventually(function()
      return select(2, asked()) == 1000
    end, 5, "a thousand requests")
    for uri, times in pairs((asked())) do
      assert.equal(1, times, uri)
    end
    assert.equal(404, assert(n:get("pages", "no such page")).status)
  end)

  it("says that the origin cannot be reached while it is restarted", function()
    local keys = many.keys(1000)
    local answers = many.ask(n, "pages", keys, function(count)
      if count == 300 then
        server:stop()
      elseif count == 400 then
        start_server()
      end
    end)
    local failed = many.failed(answers, many.promised(EXAMPLE))
    many.right(answers)
    -- But for what was under way as the server stopped, and as it started.
    assert(#failed >= 85 and #failed <= 108, #failed .. " failed")
    assert.is_truthy(n:logged 'level=error mod=script msg="origin" key="page %d+: ')
    assert.same({ ["local"] = #failed }, many.right(many.ask(n, "pages", failed)))
    assert.same({ main = 1000 }, many.right(many.ask(n, "pages", keys)))
    assert.equal(1000, n:stats().groups.pages.local_loads)
  end)

  it("gets what only the second try gets", function()
    for _, key in ipairs { "flaky/page", "cut/page" } do -- a 503 first; no answer first
      local res = assert(n:get("pages", key))
      assert.same({ 200, "at last" }, { res.status, res.body })
    end
    eventually(function()
      local times = asked()
      return times["/flaky/page"] == 2 and times["/cut/page"] == 2
    end, 5, "four requests")
    assert.is_nil(n:logged "level=error")
  end)

  it("tries twice when the server is busy, and once when it redirects", function()
    assert.equal('502 {"error":"the origin says 503","code":"GETTER"}',
      many.said(assert(n:get("pages", "busy/page"))))
    assert.equal('502 {"error":"the origin says 301","code":"GETTER"}',
      many.said(assert(n:get("pages", "moved/page"))))
    eventually(function()
      local times = asked()
      return times["/busy/page"] == 2 and times["/moved/page"] == 1
    end, 5, "three requests")
  end)

  it("takes no page from a server that another authority vouches for", function()
    server:stop()
    start_server "theirs"
    assert.equal(many.promised(EXAMPLE), many.said(assert(n:get("pages", many.keys(1)[1]))))
    assert.is_truthy(n:logged "unable to get local issuer certificate")
    assert.equal(0, select(2, asked()))
    server:stop()
    start_server()
    many.right(many.ask(n, "pages", many.keys(1)))
  end)
end)
