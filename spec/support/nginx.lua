-- SPDX-License-Identifier: MIT

--- A real nginx serving a folder, for specs that need an honest origin.
--
--   nginx.start{ root=folder, config="...", http="..." } -> n
--     config goes into the server block, http into the http block
--     n.port, n.url ("http://127.0.0.1:PORT"), n:stop()
--     n:requests(count) -> { { method=, uri= (as sent), status= }, ... }   the access log so far;
--                          with a count it waits until so many requests are there
--
-- One process, no workers (master_process off): no process remains when it is killed, and it runs
-- the same as root or not.

local eventually = require "support.eventually"
local http = require "support.http"
local ports = require "support.ports"
local process = require "support.process"
local tmp = require "support.tmp"

local nginx = {}
local methods = {}
methods.__index = methods

local CONFIG = [[
daemon off;
master_process off;
pid $DIR/nginx.pid;
error_log $DIR/error.log warn;
worker_rlimit_nofile 4096;
events { worker_connections 2048; multi_accept on; }
http {
  types { text/html html; text/plain txt; application/json json; }
  default_type application/octet-stream;
  log_format spec '$request_method $request_uri $status';
  access_log $DIR/access.log spec;
  client_body_temp_path $DIR/body;
  proxy_temp_path $DIR/proxy;
  fastcgi_temp_path $DIR/fastcgi;
  uwsgi_temp_path $DIR/uwsgi;
  scgi_temp_path $DIR/scgi;
  keepalive_requests 100000;
  $HTTP
  server {
    listen 127.0.0.1:$PORT backlog=1024;
    root $ROOT;
    $CONFIG
  }
}
]]

function nginx.start(opts)
  local dir = tmp.dir()
  local port = ports.free()
  local fill = { DIR = dir, PORT = port, ROOT = opts.root or dir, CONFIG = opts.config or "",
    HTTP = opts.http or "" }
  tmp.write(dir .. "/nginx.conf", (CONFIG:gsub("%$(%u+)", fill)))
  local program = process.run({ "sh", "-c", "command -v nginx || echo /usr/sbin/nginx" }).stdout
  local n = setmetatable({ port = port, url = "http://127.0.0.1:" .. port, dir = dir }, methods)
  n.process = process.spawn { program:match "%S+", "-p", dir, "-c", dir .. "/nginx.conf",
    "-e", dir .. "/error.log", stdout = dir .. "/out", stderr = dir .. "/out" }
  n.process:comes_up("nginx", 10, function()
    local c = http.connect("127.0.0.1", port, 1)
    return c and c:close() or c
  end, dir .. "/out")
  return n
end

--- The access log. nginx writes a line just after it sent the last byte, so a spec that counts
-- should say how many there will be.
function methods:requests(count)
  if count then
    eventually(function() return #self:requests() >= count end, 10, "nginx's log")
  end
  local list = {}
  for line in io.lines(self.dir .. "/access.log") do
    local method, uri, status = line:match "^(%S+) (.*) (%d+)$"
    list[#list + 1] = { method = method, uri = uri, status = tonumber(status) }
  end
  return list
end

function methods:stop()
  return (self.process:stop("SIGTERM", 10))
end

return nginx
