-- SPDX-License-Identifier: MIT

-- Where a node listens: one address for all, or one for each face; TCP and UNIX sockets.

local lfs = require "lfs"
local http = require "support.http"
local node = require "support.node"
local ports = require "support.ports"
local process = require "support.process"
local rig = require "node.rig"
local tmp = require "support.tmp"

local SCRIPT = [[
  require("groupcache").group("g", { getter = function(key) return "value of " .. key end })
]]

local PATHS = { "/cache/g/k", "/_groupcache/g/k", "/stats", "/healthz", "/readyz" }

-- The statuses of all paths at a port, in one text.
local function statuses(port)
  local out = {}
  for i, target in ipairs(PATHS) do
    out[i] = assert(http.request { port = port, target = target }).status
  end
  return table.concat(out, " ")
end

describe("the faces of a node", function()
  local n

  after_each(function()
    rig.stop(n)
  end)

  local function start(args)
    n = node.start { script = SCRIPT, admin = false, args = args }
  end

  it("are parted by peer_listen and client_listen", function()
    local peers, clients, admin = ports.free(), ports.free(), ports.free()
    n = node.start { script = SCRIPT, admin = false, ready = false, args = {
      "--peer-listen", "127.0.0.1:" .. peers, "--client-listen", "127.0.0.1:" .. clients,
      "--admin-listen", "127.0.0.1:" .. admin } }
    require "support.eventually"(function()
      local res = http.request { port = clients, target = "/readyz" }
      return res and res.status == 200
    end, 15, "the node is ready")
    assert.equal("404 200 404 200 200", statuses(peers))
    assert.equal("200 404 404 200 200", statuses(clients))
    assert.equal("404 404 200 200 200", statuses(admin))
    assert.is_nil(http.request { port = n.port, target = "/healthz" }) -- listen is not used
    for _, line in ipairs { 'listening for peers" addr=127.0.0.1:' .. peers,
      'listening for clients" addr=127.0.0.1:' .. clients,
      'listening for operators" addr=127.0.0.1:' .. admin } do
      assert.matches(line, n:log(), 1, true)
    end
  end)

  it("leave the rest on listen when one is parted", function()
    local peers = ports.free()
    start { "--peer-listen", "127.0.0.1:" .. peers }
    assert.equal("200 404 200 200 200", statuses(n.port)) -- /stats: for a first try
    assert.equal("404 200 404 200 200", statuses(peers))
  end)

  it("share a socket when they have the same address", function()
    start { "--admin-listen", "127.0.0.1:0" }
    assert.equal("200 200 404 200 200", statuses(n.port))
    n:stop()
    n = node.start { script = SCRIPT } -- with /stats
    assert.equal("200 200 200 200 200", statuses(n.port))
  end)

  it("tell a peer where peers are served", function()
    local peers = ports.free()
    start { "--peer-listen", "127.0.0.1:" .. peers }
    assert.matches("self=http://127.0.0.1:" .. peers .. " ", n:log(), 1, true)
  end)
end)

describe("a UNIX socket", function()
  local dir, path

  before_each(function()
    dir = tmp.dir()
    path = dir .. "/node.sock"
  end)

  local function start(...)
    return process.spawn { node.binary, tmp.file(SCRIPT, "node.lua"), "--listen", "unix:" .. path,
      stderr = dir .. "/stderr", ... }
  end

  local function curl(socket, target)
    local out = process.run { "curl", "-s", "-w", "%{http_code}", "--unix-socket", socket,
      "http://here" .. target }
    return out.stdout
  end

  local function ready()
    require "support.eventually"(function()
      return curl(path, "/readyz") == "ready\n200"
    end, 15, "the node is ready")
  end

  it("serves clients, and operators beside it", function()
    local p = start()
    ready()
    assert.equal("value of k200", curl(path, "/cache/g/k"))
    assert.equal("value of k200", curl(path, "/cache/g/k"))
    assert.matches('"groups"', curl(path .. ".admin", "/stats"), 1, true)
    assert.matches("listening\" addr=unix:" .. path .. "\n", tmp.read(dir .. "/stderr"), 1, true)
    p:kill "SIGTERM"
    assert.equal(0, (p:wait(10)))
    assert.is_nil(lfs.attributes(path))
    assert.is_nil(lfs.attributes(path .. ".admin"))
  end)

  it("that a killed node left behind is replaced", function()
    local p = start()
    ready()
    p:kill "SIGKILL"
    p:wait(10)
    assert.equal("socket", lfs.attributes(path, "mode"))
    p = start()
    ready()
    p:kill "SIGTERM"
    assert.equal(0, (p:wait(10)))
  end)

  it("of another node is not taken away", function()
    local p = start()
    ready()
    local second = process.run { node.binary, tmp.file(SCRIPT, "node.lua"), "--listen",
      "unix:" .. path, timeout = 20 }
    assert.same({ 1, "groupcached: listen unix:" .. path .. ": Address already in use\n" },
      { second.code, second.stderr })
    assert.equal("value of k200", curl(path, "/cache/g/k"))
    p:kill "SIGTERM"
    assert.equal(0, (p:wait(10)))
  end)

  it("does not replace a file", function()
    tmp.write(path, "precious")
    local out = process.run { node.binary, tmp.file(SCRIPT, "node.lua"), "--listen",
      "unix:" .. path, timeout = 20 }
    assert.equal(1, out.code)
    assert.equal("precious", tmp.read(path))
  end)

  it("has a path of at most 107 bytes", function()
    local long = "unix:/" .. ("x"):rep(107)
    local out = process.run { node.binary, "check", tmp.file(SCRIPT, "node.lua"), "--listen", long,
      timeout = 20 }
    assert.equal(1, out.code)
    assert.equal("groupcached: listen " .. long
      .. ": the path of a UNIX socket has 108 bytes, and must have 1 to 107\n", out.stderr)
  end)
end)

describe("an address", function()
  it("that is malformed is refused with its setting", function()
    for _, setting in ipairs { "listen", "peer-listen", "client-listen", "admin-listen" } do
      for _, address in ipairs { "8080", "unix:", "localhost", "here:port" } do
        local out = process.run { node.binary, "check", tmp.file(SCRIPT, "node.lua"),
          "--" .. setting, address, timeout = 20 }
        assert.equal(1, out.code, address)
        assert.matches(("groupcached: %s is %q, and must be HOST:PORT or unix:PATH"):format(
          setting:gsub("-", "_"), address), out.stderr, 1, true)
      end
    end
  end)
end)
