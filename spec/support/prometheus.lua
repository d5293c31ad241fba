-- SPDX-License-Identifier: MIT

--- A real Prometheus in a temporary folder, on a port of its own, and its promtool.
--
--   prometheus.missing -> nil, or what is not installed
--   prometheus.promtool(words, input) -> as process.run
--   prometheus.start(config, rules) -> server    texts of prometheus.yml, and of rules.yml or nil
--     server:ask(query) -> list of results       raises when Prometheus refuses the query
--     server:targets() -> list of active targets, as its API has them
--     server:stop()

local cjson = require "cjson"
local http = require "support.http"
local lfs = require "lfs"
local ports = require "support.ports"
local process = require "support.process"
local tmp = require "support.tmp"

local PROGRAM, PROMTOOL = "/usr/bin/prometheus", "/usr/bin/promtool"

local prometheus = {}
local methods = {}
methods.__index = methods

prometheus.missing = not (lfs.attributes(PROGRAM, "mode") and lfs.attributes(PROMTOOL, "mode"))
  and "no Prometheus (prometheus)" or nil

function prometheus.promtool(words, input)
  local argv = { PROMTOOL, input = input }
  for _, word in ipairs(words) do
    argv[#argv + 1] = word
  end
  return process.run(argv)
end

function prometheus.start(config, rules)
  local server = setmetatable({ dir = tmp.dir(), port = ports.free() }, methods)
  local log = server.dir .. "/log"
  tmp.write(server.dir .. "/prometheus.yml", config)
  if rules then
    tmp.write(server.dir .. "/rules.yml", rules)
  end
  server.process = process.spawn { PROGRAM, "--config.file=" .. server.dir .. "/prometheus.yml",
    "--storage.tsdb.path=" .. server.dir .. "/data",
    "--web.listen-address=127.0.0.1:" .. server.port, stdout = log, stderr = log }
  server.process:comes_up("Prometheus", 60, function()
    local res = http.request { port = server.port, target = "/-/ready" }
    return res and res.status == 200
  end, log)
  return server
end

local function call(server, target)
  local res = assert(http.request { port = server.port, target = target, timeout = 10 })
  local answer = cjson.decode(res.body)
  assert(answer.status == "success", target .. ": " .. tostring(answer.error))
  return answer.data
end

function methods:ask(query)
  return call(self, "/api/v1/query?query=" .. http.escape(query)).result
end

function methods:targets()
  return call(self, "/api/v1/targets?state=active").activeTargets
end

function methods:stop()
  self.process:stop("SIGTERM", 20)
end

return prometheus
