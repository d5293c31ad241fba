-- SPDX-License-Identifier: MIT

-- groupcached under a service manager: its sockets, what it is told, its watchdog, and restarts
-- without a gap.

local eventually = require "support.eventually"
local ffi = require "ffi"
local http = require "support.http"
local lfs = require "lfs"
local manager = require "support.manager"
local node = require "support.node"
local ports = require "support.ports"
local process = require "support.process"
local rig = require "node.rig"
local socket = require "socket"
local tmp = require "support.tmp"
local unistd = require "posix.unistd"

local SCRIPT = [[
  require("groupcache").group("g", { getter = function(key) return "value of " .. key end })
]]

local function status(port, target)
  local res, err = http.request { port = port, target = target }
  return res and res.status or err
end

local function over_unix(path, target)
  local r = process.run { "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--max-time",
    "10", "--unix-socket", path, "http://node" .. target }
  return tonumber(r.stdout)
end

describe("a socket of a service manager", function()
  local n, kept

  before_each(function()
    kept = {}
  end)

  after_each(function()
    if n and n.process:alive() then
      n:stop()
    end
    n = nil
    for _, k in ipairs(kept) do
      k.sock:close()
    end
  end)

  local function keep(k)
    kept[#kept + 1] = k
    return k
  end

  -- A node that is given these sockets. `port` is where it is asked whether it is ready.
  local function start(pass, port, args)
    n = node.start { script = SCRIPT, pass = pass, port = port, listen = false, admin = false,
      args = args }
    return n
  end

  -- A node that does not start -> what it says
  local function refused(pass, args)
    n = node.start { script = SCRIPT, pass = pass, listen = false, admin = false, ready = false,
      args = args }
    assert.equal(1, n.process:wait(10))
    return n:log()
  end

  it("is served under the name listen, and is not blocking any more", function()
    local s = keep(manager.tcp(ports.free(), "listen"))
    local _, port = s.sock:getsockname()
    assert.is_true(manager.is_blocking(s.fd))
    start({ s }, port)
    assert.is_false(manager.is_blocking(s.fd))
    assert.equal(200, status(port, "/cache/g/k"))
    assert.equal(200, status(port, "/_groupcache/g/k"))
    assert.matches("self=http://127.0.0.1:" .. port .. " ", n:log(), 1, true)
    assert.equal(0, n:stop())
  end)

  it("is given to the face whose setting it is named after", function()
    local peers, clients, admin = ports.free(), ports.free(), ports.free()
    start({ keep(manager.tcp(admin, "admin_listen")), keep(manager.tcp(clients, "client_listen")),
      keep(manager.tcp(peers, "peer_listen")) }, clients)
    local seen = {}
    for i, port in ipairs { peers, clients, admin } do
      seen[i] = table.concat({ status(port, "/_groupcache/g/k"), status(port, "/cache/g/k"),
        status(port, "/stats") }, " ")
    end
    assert.same({ "200 404 404", "404 200 404", "404 404 200" }, seen)
    assert.is_nil(n:logged "admin_listen is not set")
  end)

  it("beside other settings replaces only its own", function()
    local peers, port = ports.free(), ports.free()
    start({ keep(manager.tcp(peers, "peer_listen")) }, port, { "--listen", "127.0.0.1:" .. port })
    assert.same({ 404, 200, 200, 404 }, { status(port, "/_groupcache/g/k"),
      status(port, "/cache/g/k"), status(peers, "/_groupcache/g/k"), status(peers, "/cache/g/k") })
  end)

  it("of another name is matched by its address, and a single one is for clients", function()
    local port, admin, other = ports.free(), ports.free(), ports.free()
    start({ keep(manager.tcp(admin, "cache.socket")), keep(manager.tcp(port, "cache.socket")) },
      port, { "--listen", "127.0.0.1:" .. port, "--admin-listen", "127.0.0.1:" .. admin })
    assert.same({ 200, 200, 404 },
      { status(port, "/cache/g/k"), status(admin, "/stats"), status(admin, "/cache/g/k") })
    n:stop()
    start({ keep(manager.tcp(other)) }, other, { "--admin-listen", "127.0.0.1:0" })
    assert.equal(200, status(other, "/cache/g/k"))
  end)

  it("that would serve nobody is refused, by name and address", function()
    local port = ports.free()
    local one, two = keep(manager.tcp(port, "listen")), keep(manager.tcp(ports.free(), "listen"))
    assert.matches('passes the socket "listen" at 127%.0%.0%.1:%d+, which is a second one',
      refused { one, two })
    assert.matches('"web" at 127%.0%.0%.1:%d+, which has the name and the address of no setting',
      refused({ keep(manager.tcp(ports.free(), "web")), keep(manager.tcp(ports.free(), "web")) },
        { "--admin-listen", "127.0.0.1:0" }))
    local plain = socket.udp()
    plain:setsockname("127.0.0.1", 0)
    assert.matches("must be a listening stream socket",
      refused({ { fd = plain:getfd(), name = "listen" } }))
    plain:close()
  end)

  it("may be a UNIX socket, whose file stays", function()
    local path = tmp.dir() .. "/socket"
    local port = ports.free()
    start({ keep(manager.unix(path, "client_listen")) }, port,
      { "--listen", "127.0.0.1:" .. port })
    assert.equal(200, over_unix(path, "/cache/g/k"))
    assert.matches("addr=unix:" .. path, n:log(), 1, true)
    n:stop()
    assert.equal("socket", lfs.attributes(path, "mode"))
  end)

  it("and its variables are not passed on to a child of a getter", function()
    local port = ports.free()
    local m = manager.listen()
    n = node.start { pass = { keep(manager.tcp(port, "listen")) }, port = port, listen = false,
      env = { NOTIFY_SOCKET = m.address, WATCHDOG_USEC = "60000000" }, admin = false, script = [[
        require("groupcache").group("g", { getter = function(key)
          local pipe = io.popen(key)
          local text = pipe:read "*a"
          pipe:close()
          return text
        end })
      ]] }
    local env = assert(n:get("g", "env; ls -l /proc/self/fd")).body
    assert.matches("PATH=", env)
    local ours = process.run({ "readlink", ("/proc/%d/fd/%d"):format(unistd.getpid(),
      kept[1].fd) }).stdout:match "%S+"
    assert.matches("^socket:", ours)
    for _, word in ipairs { "LISTEN_", "NOTIFY_SOCKET", "WATCHDOG", ours } do
      assert.is_nil(env:find(word, 1, true), env)
    end
    m:close()
  end)

  it("is ignored if it is another process's, and a wrong number is refused", function()
    local port = ports.free()
    n = node.start { script = SCRIPT, port = port, env = { LISTEN_PID = "1", LISTEN_FDS = "7" } }
    assert.equal(200, status(port, "/cache/g/k"))
    n:stop()
    n = node.start { script = SCRIPT, ready = false, env = { LISTEN_PID = "x", LISTEN_FDS = "1" } }
    assert.equal(1, n.process:wait(10))
    assert.matches('LISTEN_PID is "x", and must be a number', n:log(), 1, true)
  end)

  it("is taken of systemd-socket-activate", function()
    local port = ports.free()
    local p = process.spawn { "systemd-socket-activate", "-l", "127.0.0.1:" .. port,
      "--fdname=listen", node.binary, tmp.file(SCRIPT, "node.lua"), "--admin-listen",
      "127.0.0.1:0", stderr = tmp.dir() .. "/log" }
    eventually(function() return status(port, "/readyz") == 200 end, 15, "it is ready")
    assert.equal(200, status(port, "/cache/g/k"))
    assert.equal(0, p:stop())
  end)
end)

describe("a restart under a service manager", function()
  local RESTARTS, CLIENTS = 50, 8

  -- Starts the node again and again, while clients connect as fast as they can.
  -- -> the number of answers, and what else they got
  local function restart(pass, ask)
    local done, answers, failed = false, 0, {}
    local m = manager.listen()
    local script = tmp.file(SCRIPT, "node.lua")
    local fns = {}
    for i = 1, CLIENTS do
      fns[i] = function()
        while not done do
          local res, err = ask(i)
          if res and res.status == 200 and res.body == "value of k" then
            answers = answers + 1
          else
            failed[#failed + 1] = res and res.status or err
          end
        end
      end
    end
    fns[#fns + 1] = function()
      for _ = 1, RESTARTS do
        local before, heard = answers, #m:heard()
        local p = process.spawn { node.binary, script, "--admin-listen", "127.0.0.1:0", pass = pass,
          env = { NOTIFY_SOCKET = m.address }, stderr = script .. ".log" }
        repeat
          http.pause(0.002)
        until m:heard()[heard + 1] and answers > before + CLIENTS or not p:alive()
        p:kill "SIGTERM"
        repeat
          http.pause(0.002)
        until not p:alive()
        assert.equal(0, p:wait(0))
      end
      done = true
    end
    -- The clients of a queue that nobody serves wait for this one.
    fns[CLIENTS + 2] = function()
      while not done do
        http.pause(0.01)
      end
      fns.last = process.spawn { node.binary, script, "--admin-listen", "127.0.0.1:0", pass = pass,
        stderr = script .. ".log" }
    end
    http.together(fns)
    assert.equal(0, fns.last:stop())
    m:close()
    return answers, failed
  end

  it("fails no client that connects meanwhile", function()
    local port = ports.free()
    local s = manager.tcp(port, "listen")
    local answers, failed = restart({ s }, function()
      return http.request { port = port, target = "/cache/g/k", timeout = 60,
        headers = { Connection = "close" } }
    end)
    s.sock:close()
    assert.same({}, failed)
    assert.is_true(answers > RESTARTS * CLIENTS, answers)
  end)
end)

describe("the service manager", function()
  local m, n

  before_each(function()
    m = manager.listen()
  end)

  after_each(function()
    if n and n.process:alive() then
      n:stop()
    end
    n = nil
    m:close()
  end)

  local function start(opts)
    opts.script = opts.script or SCRIPT
    opts.env = { NOTIFY_SOCKET = m.address, WATCHDOG_USEC = opts.watchdog }
    n = node.start(opts)
  end

  local function count(pattern)
    local found = 0
    for _, text in ipairs(m:heard()) do
      found = found + (text:find(pattern) and 1 or 0)
    end
    return found
  end

  it("is told that the node is ready, not before /readyz is 200", function()
    local r = rig.new()
    start { ready = false, script = r:script [[
      local groupcache = require "groupcache"
      groupcache.group("g", { getter = function(key) return key end })
      groupcache.background(function() rig.gate "fill" end, { name = "fill", ready = true })
    ]] }
    eventually(function() return n:logged "not ready before" end, 15, "it serves")
    assert.equal(503, n:request({ target = "/readyz" }).status)
    n:signal "SIGHUP" -- its end does not say that the node is ready
    m:waits_for "^STATUS=ready: the script was read again"
    assert.equal(0, count "READY=1")
    r:open "fill"
    m:waits_for "^READY=1\nSTATUS=ready: 1 groups"
    assert.equal(200, n:request({ target = "/readyz" }).status)
  end)

  it("hears of a reload, of a failed one too, and of the end", function()
    start {}
    assert.equal("READY=1\nSTATUS=ready: 1 groups, 0 peers, " .. n.url, m:waits_for "READY=1")
    n:signal "SIGHUP"
    local now_us = tonumber(m:waits_for("RELOADING=1\n"):match "\nMONOTONIC_USEC=(%d+)\n")
    local uptime = tonumber(tmp.read("/proc/uptime"):match "^[%d.]+")
    assert.is_true(math.abs(uptime - now_us / 1e6) < 10)
    m:waits_for "^READY=1\nSTATUS=ready: the script was read again$"
    tmp.write(n.script, "nonsense")
    n:signal "SIGHUP"
    m:waits_for "^READY=1\nSTATUS=not reloaded: "
    assert.equal(2, count "^RELOADING=1\n")
    n:stop()
    m:waits_for "^STOPPING=1\nSTATUS=stopping: 0 requests"
  end)

  it("may have an abstract socket, and none at all", function()
    m:close()
    m = manager.listen(true)
    start {}
    m:waits_for "^READY=1\n"
    n:stop()
    m:close()
    n = node.start { script = SCRIPT, env = { NOTIFY_SOCKET = m.address } } -- nobody is there
    assert.matches("the service manager cannot be told anything", n:log(), 1, true)
    m = manager.listen()
  end)

  it("gets a sign of life within its time", function()
    start { watchdog = 400 * 1000 }
    eventually(function() return count "^WATCHDOG=1$" >= 5 end, 10, "five signs")
  end)

  -- Stops one thread of a node, as a deadlock would.
  pcall(ffi.cdef, [[
    long spec_ptrace(int request, int pid, void *addr, void *data) __asm__("ptrace");
    int spec_waitpid(int pid, int *status, int options) __asm__("waitpid");
  ]])
  local SEIZE, INTERRUPT, DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000

  local function thread_of(name)
    for tid in lfs.dir(("/proc/%d/task"):format(n.process.pid)) do
      if tid:match "^%d+$" and
        tmp.read(("/proc/%d/task/%s/comm"):format(n.process.pid, tid)) == name .. "\n" then
        return tonumber(tid)
      end
    end
  end

  for _, name in ipairs { "http-1", "net" } do
    it("gets no sign of life while the thread " .. name .. " stands still", function()
      start { watchdog = 300 * 1000 }
      m:waits_for "^WATCHDOG=1$"
      local tid = assert(thread_of(name))
      assert.equal(0, tonumber(ffi.C.spec_ptrace(SEIZE, tid, nil, nil)))
      assert.equal(0, tonumber(ffi.C.spec_ptrace(INTERRUPT, tid, nil, nil)))
      assert.equal(tid, ffi.C.spec_waitpid(tid, nil, WALL))
      eventually(function() return n:logged "threads do not turn" end, 10, "the log says so")
      local before = count "^WATCHDOG=1$"
      assert.matches("threads=" .. (name == "net" and "net" or "http"), n:log(), 1, true)
      assert.equal(0, tonumber(ffi.C.spec_ptrace(DETACH, tid, nil, nil)))
      eventually(function() return count "^WATCHDOG=1$" > before end, 10, "a sign again")
    end)
  end

  it("gets no sign of life while every VM of the crew blocks", function()
    local r = rig.new()
    start { watchdog = 300 * 1000, args = { "--workers", "2" }, script = r:script [[
      local ffi = require "ffi"
      ffi.cdef "int usleep(unsigned us);"
      require("groupcache").group("g", { timeout = 60, getter = function(key)
        while not rig.is_open "g" do
          ffi.C.usleep(10000)
        end
        return key
      end })
    ]] }
    m:waits_for "^WATCHDOG=1$"
    http.together {
      function() n:get("g", "a", { timeout = 30 }) end,
      function() n:get("g", "b", { timeout = 30 }) end,
      function()
        rig.wait(n, function() return n:logged "threads do not turn" end, 10, "the log says so")
        r:open "g"
      end,
    }
    local before = count "^WATCHDOG=1$"
    eventually(function() return count "^WATCHDOG=1$" > before end, 10, "a sign again")
  end)
end)
