-- SPDX-License-Identifier: MIT

--- Ours and the peers as servers, each on the server's core, set up as its own people advise.
--
--   servers.ours{ script=, bytes=, port=, peers=, env={}, args={}, tls=, ready=seconds } -> server
--                                       a node of ours: one thread for HTTP, one worker, as it has
--                                       one core; with both_cores it has two, and the threads that
--                                       it takes by default
--   servers.go{ bytes=, port=, peers=, tuned=, keys=, ready= } -> server
--                                       bench/peers/gopeer; tuned: 256 idle connections per host;
--                                       keys: so many are there from the start
--   servers.mhd{ bytes= } -> server     bench/peers/mhd.c
--   servers.nginx{ bytes=, tls= } -> server   100 bytes: a constant; more: a file
--
--   server.url, server.port, server.pid
--   server.raw, server.peer             URLs of a value as bytes and as peers ask; a constant's are
--                                       the same
--   server:stop()
--
-- tls is a table as of spec/support/node.lua; then the URLs are https.
--
-- Those that cannot be started raise, and say why.

local eventually = require "support.eventually"
local http = require "support.http"
local node = require "support.node"
local pin = require "bench.lib.pin"
local ports = require "support.ports"
local process = require "support.process"
local program = require "bench.lib.program"
local stdlib = require "posix.stdlib"
local tmp = require "support.tmp"
local unistd = require "posix.unistd"

local servers = {}
local methods = {}
methods.__index = methods

local function server(p, port, fields, tls)
  local s = setmetatable({ process = p, pid = p.pid, port = port,
    url = (tls and "https" or "http") .. "://127.0.0.1:" .. port }, methods)
  for name, path in pairs(fields) do
    s[name] = s.url .. path
  end
  return s
end

function methods:stop()
  self.process:kill "SIGTERM"
  if select(2, self.process:wait(10)) == "timeout" then
    self.process:kill "SIGKILL"
    self.process:wait(10)
  end
end

local KEY = "bench/k00000000000"
local CACHED = { raw = "/cache/" .. KEY, peer = "/_groupcache/" .. KEY }

local function get_by_curl(url)
  local r = process.run { "curl", "-ks", "-w", "%{http_code}", url }
  return r.code == 0 and { body = r.stdout:sub(1, -4), status = tonumber(r.stdout:sub(-3)) }
end

-- The value is there, and is as long as it should be; in a cache it is kept from now on.
local function warm(s, bytes, seconds)
  for _, url in ipairs { s.raw, s.peer } do
    local res = eventually(function()
      if not s.process:alive() then
        error "it has ended"
      end
      return url:find "^https:" and get_by_curl(url) or http.get(url)
    end, seconds or 15, url)
    if res.status ~= 200 or #res.body < bytes or #res.body > bytes + 16 then
      error(("%s: status %d, %d bytes"):format(url, res.status, #res.body))
    end
  end
  return s
end

function servers.ours(o)
  local args = { "--log-level", "warn" }
  for _, arg in ipairs(o.both_cores and {} or { "--http-threads", 1, "--workers", 1 }) do
    args[#args + 1] = arg
  end
  for _, arg in ipairs(o.args or {}) do
    args[#args + 1] = arg
  end
  local env = { BENCH_BYTES = o.bytes }
  for name, value in pairs(o.env or {}) do
    env[name] = value
  end
  local before = os.getenv "GROUPCACHED_WRAP"
  local where = o.both_cores and pin.on_both or pin.on_server
  stdlib.setenv("GROUPCACHED_WRAP", table.concat(where {}, " "))
  local ok, n = pcall(node.start, { script = o.script or "bench/nodes/constant.lua", env = env,
    args = args, port = o.port, peers = o.peers, tls = o.tls, timeout = o.ready })
  stdlib.setenv("GROUPCACHED_WRAP", before)
  if not ok then
    error(n, 0)
  end
  local s = server(n.process, n.port, CACHED, o.tls)
  return o.bytes and warm(s, o.bytes, o.ready) or s
end

local function start(command)
  local log = tmp.dir() .. "/log"
  command.stdout, command.stderr = log, log
  return process.spawn(pin.on_server(command))
end

function servers.go(o)
  local port = o.port or ports.free()
  local command = { program.built "gopeer", "node", "-port", port, "-bytes", o.bytes, "-keys",
    o.keys or 0 }
  if o.peers then
    command[#command + 1] = "-peers"
    command[#command + 1] = table.concat(o.peers, ",")
  end
  command[#command + 1] = o.tuned and "-tuned" or nil
  return warm(server(start(command), port, CACHED), o.bytes, o.ready)
end

function servers.mhd(o)
  local port = ports.free()
  local s = server(start { program.built "mhd", port, o.bytes }, port, { raw = "/", peer = "/" })
  return warm(s, o.bytes)
end

function servers.nginx(o)
  local dir, port = tmp.dir(), ports.free()
  local found = process.run({ "sh", "-c", "PATH=$PATH:/usr/sbin; command -v nginx" }).stdout
  if found == "" then
    error("nginx is not installed", 0)
  end
  local small = ("x"):rep(100)
  local fill = { DIR = dir, PORT = port, SMALL = small, SSL = o.tls and " ssl" or "",
    CERTIFICATE = o.tls and ("ssl_certificate %s; ssl_certificate_key %s; ssl_protocols TLSv1.2 "
      .. "TLSv1.3;"):format(o.tls.cert, o.tls.key) or "",
    USER = unistd.geteuid() == 0 and "user root;" or "" }
  tmp.write(dir .. "/nginx.conf", (tmp.read("bench/peers/nginx.conf"):gsub("%$(%u+)", fill)))
  tmp.write(dir .. "/files/value", ("x"):rep(o.bytes))
  local path = o.bytes == #small and "/constant" or "/value"
  local p = start { found:match "%S+", "-p", dir, "-c", dir .. "/nginx.conf", "-e",
    dir .. "/error.log" }
  return warm(server(p, port, { raw = path, peer = path }, o.tls), o.bytes)
end

return servers
