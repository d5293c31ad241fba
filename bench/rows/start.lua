-- SPDX-License-Identifier: MIT
-- From the start of the process until /readyz says 200, with one group and two workers. Asked
-- without a pause, from the client's core.

local http = require "support.http"
local pin = require "bench.lib.pin"
local ports = require "support.ports"
local process = require "support.process"
local program = require "bench.lib.program"
local socket = require "socket"
local tmp = require "support.tmp"

local function start()
  local port, log = ports.free(), tmp.dir() .. "/log"
  local command = pin.on_server { program.build .. "/bin/groupcached", "bench/nodes/constant.lua",
    "--listen", "127.0.0.1:" .. port, "--workers", 2, "--log-level", "warn",
    stdout = log, stderr = log }
  local url, begin = ("http://127.0.0.1:%d/readyz"):format(port), socket.gettime()
  local p = process.spawn(command)
  while true do
    local res = http.get(url, { timeout = 1 })
    if res and res.status == 200 then
      break
    elseif not p:alive() or socket.gettime() - begin > 10 then
      error("it did not become ready: " .. tmp.read(log))
    end
  end
  local took = socket.gettime() - begin
  p:kill "SIGKILL"
  p:wait(10)
  return { ms = took * 1000 }
end

return {
  title = "start to ready, 1 group, 2 workers",
  sides = { { name = "ours", round = start } },
  lines = {
    { figure = "ms", of = "ms", ours = "ours", reach = 50, better = "less" },
  },
}
