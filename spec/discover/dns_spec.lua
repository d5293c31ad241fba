-- SPDX-License-Identifier: MIT

-- A list of peers in DNS, as dnsmasq serves it.

local eventually = require "support.eventually"
local listed = require "discover.listed"
local ports = require "support.ports"
local process = require "support.process"
local rig = require "node.rig"
local socket = require "socket"
local tmp = require "support.tmp"
local unistd = require "posix.unistd"

describe("a list of peers in DNS", function()
  if not listed.has "dnsmasq" then
    return
  end

  local n, server, port, hosts

  local function answers()
    local udp = socket.udp()
    udp:settimeout(0.05)
    udp:setpeername("127.0.0.1", port)
    udp:send "\1\2\1\0\0\1\0\0\0\0\0\0\4ping\4test\0\0\1\0\1"
    local answer = udp:receive()
    udp:close()
    return answer
  end

  -- `names` are lines of a hosts file.
  local function serve(names, ...)
    port = port or ports.free()
    hosts = hosts or tmp.file("", "hosts") -- which dnsmasq reads as the user that we are
    tmp.write(hosts, names)
    local argv = { "dnsmasq", "-k", "--no-resolv", "--no-hosts", "--addn-hosts=" .. hosts,
      "--port=" .. port, "--listen-address=127.0.0.1", "--bind-interfaces", "--pid-file=",
      "--user=" .. require("posix.pwd").getpwuid(unistd.getuid()).pw_name,
      "--log-facility=-", "--local-ttl=1", "--local=/test/", stdout = "/dev/null",
      stderr = "/dev/null", ... }
    server = process.spawn(argv)
    server:comes_up("dnsmasq", 10, answers, "/dev/null")
  end

  local function change(names)
    tmp.write(hosts, names)
    server:kill "SIGHUP"
  end

  local function source(name, options)
    return ("%s?server=127.0.0.1:%d%s"):format(name, port, options or "")
  end

  before_each(function() port, hosts, server = nil, nil, nil end)

  after_each(function()
    local ended = n
    n = nil
    if server and server:alive() then
      server:stop("SIGKILL", 5)
    end
    rig.stop(ended)
  end)

  it("has A and AAAA records, and is followed when they change", function()
    serve "10.9.0.1 gc.test\n10.9.0.2 gc.test\nfd00::1 gc.test\n"
    n = listed.start(source "dns://gc.test:8080")
    listed.wait(n, { "http://10.9.0.1:8080", "http://10.9.0.2:8080", "http://[fd00::1]:8080",
      n.url })
    change "10.9.0.1 gc.test\n10.9.0.3 gc.test\n10.9.0.4 gc.test\n"
    listed.wait(n, { "http://10.9.0.1:8080", "http://10.9.0.3:8080", "http://10.9.0.4:8080",
      n.url })
    assert.equal("dns://gc.test:8080", listed.source(n).source)
  end)

  it("has SRV records: their names and ports, the same text whatever case they have", function()
    serve("10.9.0.1 n1.gc.test\n", "--srv-host=_gc._tcp.gc.test,N1.gc.Test,8080,10,60",
      "--srv-host=_gc._tcp.gc.test,n2.gc.test,8081,10,60")
    n = listed.start(source("dns+srv://_gc._tcp.gc.test", "&scheme=https"))
    listed.wait(n, { "https://n1.gc.test:8080", "https://n2.gc.test:8081", n.url })
  end)

  it("may have a hundred and twenty records, which come over TCP", function()
    local lines, urls = {}, {}
    for i = 1, 120 do
      lines[i] = ("10.9.1.%d gc.test\n"):format(i)
      urls[i] = ("http://10.9.1.%d:80"):format(i)
    end
    serve(table.concat(lines))
    n = listed.start(source "dns://gc.test:80")
    urls[121] = n.url
    listed.wait(n, urls)
    local looks = listed.source(n).looks
    listed.looks(n, 2) -- in another order each time
    assert.is_true(listed.source(n).looks > looks)
    assert.equal(1, listed.count(n, 'msg="peers"'))
  end)

  it("stays while the name server is dead, and blocks nothing", function()
    serve "10.9.0.1 gc.test\n10.9.0.2 gc.test\n"
    n = listed.start(source "dns://gc.test:80")
    local all = { "http://10.9.0.1:80", "http://10.9.0.2:80", n.url }
    listed.wait(n, all)
    server:stop("SIGKILL", 5)
    eventually(function() return listed.source(n).errors > 0 end, listed.patience)
    assert.matches("no name server has answered to gc.test", listed.source(n).last_error, 1, true)
    listed.wait(n, all, 0.1)
    serve "10.9.0.1 gc.test\n10.9.0.3 gc.test\n"
    listed.wait(n, { "http://10.9.0.1:80", "http://10.9.0.3:80", n.url }, 60)
  end)

  it("does not hold up the end of a node while the name server is silent", function()
    local silent = socket.udp()
    assert(silent:setsockname("127.0.0.1", 0))
    port = select(2, silent:getsockname())
    n = listed.start(source "dns://gc.test:80", { args = { "--peers", source "dns://gc.test:80",
      "--peers-wait", "0.2" } })
    assert.equal(200, n:get("g", "k").status)
    n:signal "SIGTERM"
    assert.equal(0, n.process:wait(2))
    n = nil
    silent:close()
  end)

  it("whose name has no record any more is held for three looks", function()
    serve "10.9.0.1 gc.test\n10.9.0.2 gc.test\n"
    n = listed.start(source "dns://gc.test:80")
    listed.wait(n, { "http://10.9.0.1:80", "http://10.9.0.2:80", n.url })
    change "10.9.0.9 other.test\n"
    listed.wait(n, { n.url })
    assert.equal(1, listed.count(n, 'msg="a source has lost most peers'))
    assert.equal(0, listed.source(n).errors)
  end)
end)
