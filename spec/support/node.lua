-- SPDX-License-Identifier: MIT

--- Nodes in processes of their own.
--
--   node.start{ script=, args={}, env={}, port=, self=, peers=, ready=true, timeout=60 } -> n
--   node.cluster(count, { script=, ..., each=function(i, opts) end }) -> { n1, n2, ... }
--
-- /stats is served on the same port, unless args say otherwise or admin=false.
-- `pass` are sockets of a service manager, as process.spawn() has it; with listen=false the port is
-- only where clients ask.
-- `script` is Lua source, or the path of a file. `peers` is a list of URLs, `self` one [the node's
-- own URL, when there are peers]. `args` are more arguments for groupcached, `program` is another
-- binary.
-- With ready=true start() returns when /readyz says 200, and raises with the log's text when the
-- process ends or takes too long.
--
--   n.port, n.host, n.url, n.process
--   n:get(group, key, opts) -> res | nil, err   GET /cache/<group>/<key>, the key percent-encoded;
--                                               opts as for http.request (method, headers, timeout)
--   n:request(opts) -> res | nil, err           any request to this node
--   n:connect() -> socket                       a raw connection: sends at once, waits for 10 s
--   n:stats() -> table                          /stats, decoded
--   n:log() -> text                             its stderr so far
--   n:logged(pattern) -> first match | nil      in the log, as string.match
--   n:stop(timeout) -> exit code | nil, "signal", number
--                                               SIGTERM and wait; still there after timeout [30] s:
--                                               killed, and nil, "timeout"
--   n:kill9()                                   SIGKILL and reap
--   n:signal("SIGHUP"), n:freeze()              freeze: SIGSTOP, and wait until all threads stop
--
-- With tls={ cert=, key=, ca=, client_auth= } the node speaks TLS on its port: n.url is https, and
-- n.admin is the URL of a plain port of its own, for readiness and stats(). Then n:get() and
-- n:request() are of no use, and this is:
--   n:curl{ target, method=, body=, headers={ "Name: value", ... }, cert=pair, ca=path, args={} }
--     -> { status= (0: no answer), body=, code= (curl's), error= (its words) }
--        ca is the node's unless given, false: the system's; cert is no certificate unless given
--
-- node.loop is the event loop of the nodes' getters; nil: the scripts choose. Its default is
-- GROUPCACHE_LOOP, which `make loops` sets.
--
-- GROUPCACHED_WRAP, which `make valgrind` sets, is put before the command.

local cjson = require "cjson.safe"
local http = require "support.http"
local lfs = require "lfs"
local ports = require "support.ports"
local process = require "support.process"
local socket = require "socket"
local tmp = require "support.tmp"

local node = {}
local methods = {}
methods.__index = methods

node.loop = os.getenv "GROUPCACHE_LOOP"
node.binary = (os.getenv "BUILD" or "build") .. "/bin/groupcached"

local function spawn(opts)
  local n = setmetatable({ host = opts.host or "127.0.0.1",
    port = opts.port or ports.free() }, methods)
  n.url = ("%s://%s:%d"):format(opts.tls and "https" or "http", n.host, n.port)
  n.tls = opts.tls
  n.admin = n.url
  n.dir = tmp.dir()
  n.log_path = n.dir .. "/stderr"

  local script = assert(opts.script, "node.start needs a script")
  if script:find "\n" or not lfs.attributes(script, "mode") then
    n.script = n.dir .. "/node.lua"
    tmp.write(n.script, script)
  else
    n.script = script
  end

  local env = { GROUPCACHE_LOOP = node.loop }
  for name, value in pairs(opts.env or {}) do
    env[name] = value
  end
  local argv = { env = env, cwd = opts.cwd, pass = opts.pass, stdout = n.dir .. "/stdout",
    stderr = n.log_path }
  for word in (os.getenv "GROUPCACHED_WRAP" or ""):gmatch "%S+" do
    argv[#argv + 1] = word
  end
  argv[#argv + 1] = opts.program or node.binary
  argv[#argv + 1] = n.script
  local function flag(name, value)
    if value ~= nil and value ~= false then
      argv[#argv + 1] = name
      argv[#argv + 1] = tostring(value)
    end
  end
  flag("--listen", opts.listen ~= false and ("%s:%d"):format(n.host, n.port))
  if opts.admin ~= false then
    flag("--admin-listen", ("%s:%d"):format(n.host, n.port)) -- args may have another
  end
  flag("--self", opts.self or opts.peers and n.url)
  if opts.tls then
    n.admin_port = ports.free()
    n.admin = ("http://127.0.0.1:%d"):format(n.admin_port)
    flag("--admin-listen", "127.0.0.1:" .. n.admin_port)
    for name, value in pairs(opts.tls) do
      flag("--tls-" .. name:gsub("_", "-"), value)
    end
  end
  flag("--peers", opts.peers and table.concat(opts.peers, ","))
  for _, arg in ipairs(opts.args or {}) do
    argv[#argv + 1] = tostring(arg)
  end
  n.process = process.spawn(argv)
  return n
end

local function wait_ready(n, timeout)
  timeout = timeout or 60
  local deadline = socket.gettime() + timeout
  local last
  repeat
    local res, err = http.get(n.admin .. "/readyz", { timeout = 2 })
    if res and res.status == 200 then
      return n
    end
    last = res and res.status or err
    if not n.process:alive() then
      local code, how, number = n.process:wait(0)
      error(("groupcached ended (%s) before it was ready:\n%s"):format(
        code or how .. " " .. number, n:log()), 3)
    end
    socket.sleep(0.01)
  until socket.gettime() > deadline
  n:kill9()
  error(("groupcached not ready within %g s (/readyz: %s):\n%s"):format(timeout, last, n:log()), 3)
end

function node.start(opts)
  local n = spawn(opts)
  if opts.ready ~= false then
    wait_ready(n, opts.timeout)
  end
  return n
end

function node.cluster(count, opts)
  local chosen, peers, nodes = {}, {}, {}
  for i = 1, count do
    chosen[i] = ports.free()
    peers[i] = (opts.tls and "https" or "http") .. "://127.0.0.1:" .. chosen[i]
  end
  for i = 1, count do
    local mine = {}
    for k, v in pairs(opts) do
      mine[k] = v
    end
    mine.port, mine.self, mine.peers = chosen[i], peers[i], peers
    if opts.each then
      opts.each(i, mine)
    end
    nodes[i] = spawn(mine)
  end
  if opts.ready ~= false then
    for _, n in ipairs(nodes) do
      wait_ready(n, opts.timeout)
    end
  end
  return nodes
end

function methods:request(opts)
  local r = { host = self.host, port = self.port }
  for k, v in pairs(opts) do
    r[k] = v
  end
  return http.request(r)
end

function methods:get(group, key, opts)
  local r = { target = "/cache/" .. http.escape(group) .. "/" .. http.escape(key) }
  for k, v in pairs(opts or {}) do
    r[k] = v
  end
  return self:request(r)
end

function methods:connect()
  local sock = assert(socket.connect(self.host, self.port))
  sock:setoption("tcp-nodelay", true)
  sock:settimeout(10)
  return sock
end

function methods:stats()
  local res, err = http.get(self.admin .. "/stats")
  assert(res, err)
  assert(res.status == 200, "/stats: " .. res.status)
  return assert(cjson.decode(res.body))
end

function methods:curl(opts)
  local out = self.dir .. "/curl"
  local argv = { "curl", "-sS", "--max-time", "10", "-o", out, "-w", "%{http_code}" }
  local function add(...)
    for _, word in ipairs { ... } do
      argv[#argv + 1] = word
    end
  end
  if opts.ca ~= false then
    add("--cacert", opts.ca or self.tls.ca)
  end
  if opts.cert then
    add("--cert", opts.cert.cert, "--key", opts.cert.key)
  end
  if opts.method then
    add("-X", opts.method)
  end
  if opts.body then
    tmp.write(out .. ".body", opts.body)
    add("-H", "Content-Type:", "--data-binary", "@" .. out .. ".body")
  end
  for _, header in ipairs(opts.headers or {}) do
    add("-H", header)
  end
  add(unpack(opts.args or {}))
  tmp.write(out, "")
  add(opts[1]:find "^https?:" and opts[1] or self.url .. opts[1])
  local r = process.run(argv)
  return { status = tonumber(r.stdout), body = tmp.read(out), code = r.code, error = r.stderr }
end

function methods:log()
  return lfs.attributes(self.log_path, "mode") and tmp.read(self.log_path) or ""
end

function methods:logged(pattern)
  return self:log():match(pattern)
end

function methods:signal(sig)
  self.process:kill(sig)
end

function methods:freeze()
  self.process:freeze()
end

function methods:kill9()
  self.process:kill "SIGKILL"
  self.process:wait(10)
end

function methods:stop(timeout)
  return self.process:stop("SIGTERM", timeout or 30)
end

return node
