-- SPDX-License-Identifier: MIT

-- ":8080" was every address of IPv4 alone, and a node whose default admin_listen was taken could
-- not start, with a message that named another setting.

local http = require "support.http"
local node = require "support.node"
local ports = require "support.ports"
local process = require "support.process"
local socket = require "socket"
local tmp = require "support.tmp"

local SCRIPT = 'require("groupcache").group("g", { getter = function(key) return key end })\n'

local has_ipv6 = (function()
  local s = socket.tcp6()
  local ok = s:bind("::1", 0)
  s:close()
  return ok
end)()

-- Two ports in a row that are free.
local function pair()
  for _ = 1, 100 do
    local port = ports.free()
    local s = socket.tcp4()
    local free = s:bind("0.0.0.0", port + 1)
    s:close()
    if free then
      return port
    end
  end
  error "no two free ports in a row"
end

local function start(listen, port)
  return node.start { script = SCRIPT, port = port, admin = false,
    args = { "--listen", listen .. ":" .. port } }
end

describe("every address", function()
  for _, host in ipairs { "", "*", "[::]" } do
    (has_ipv6 and it or pending)(("is one of either family: %q"):format(host .. ":PORT"), function()
      local n = start(host, pair())
      local four = http.request { host = "127.0.0.1", port = n.port, target = "/cache/g/a" }
      local s = assert(socket.tcp6())
      s:settimeout(5)
      assert(s:connect("::1", n.port))
      s:send "GET /cache/g/b HTTP/1.0\r\nHost: x\r\n\r\n"
      local six = s:receive "*a"
      s:close()
      n:stop()
      assert.equal("a", assert(four).body)
      assert.matches("^HTTP/1%.1 200 .*\r\n\r\nb$", six)
    end)
  end

  it("of IPv4 alone is still 0.0.0.0", function()
    local n = start("0.0.0.0", pair())
    local ok = socket.tcp6():connect("::1", n.port)
    n:stop()
    assert.is_nil(ok)
  end)

  it("is taken when one of its families is", function()
    local taken = assert(socket.bind("0.0.0.0", 0))
    local _, port = taken:getsockname()
    local out = process.run { node.binary, tmp.file(SCRIPT, "node.lua"), "--listen", ":" .. port,
      timeout = 20 }
    taken:close()
    assert.equal(1, out.code)
    assert.matches("groupcached: listen :" .. port .. ": Address already in use", out.stderr, 1,
      true)
  end)
end)

describe("two nodes on neighbouring ports", function()
  it("both start, in either order", function()
    local port = pair()
    for _, offsets in ipairs { { 0, 1 }, { 1, 0 } } do
      local first = start("0.0.0.0", port + offsets[1])
      local second = start("0.0.0.0", port + offsets[2])
      second:stop()
      first:stop()
    end
  end)

  it("have their /stats on another port if the default is taken", function()
    local port, other
    repeat
      port = pair()
      other = socket.bind("127.0.0.1", port + 1000)
    until other
    local n = start("0.0.0.0", port)
    local admin = n:logged("admin_listen is not set, and 127.0.0.1:" .. port + 1000
      .. " is taken: /stats is at 127.0.0.1:(%d+)\n")
    local stats = http.get(("http://127.0.0.1:%s/stats"):format(admin))
    n:stop()
    other:close()
    assert.equal(200, assert(stats).status)
  end)

  it("do not move an admin_listen that was given", function()
    local taken = assert(socket.bind("127.0.0.1", 0))
    local _, port = taken:getsockname()
    local out = process.run { node.binary, tmp.file(SCRIPT, "node.lua"), "--listen", "127.0.0.1:0",
      "--admin-listen", "127.0.0.1:" .. port, timeout = 20 }
    taken:close()
    assert.equal(1, out.code)
    assert.equal(("groupcached: admin_listen 127.0.0.1:%d: Address already in use\n"):format(port),
      out.stderr)
  end)
end)
