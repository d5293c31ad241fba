-- SPDX-License-Identifier: MIT

--- A real PostgreSQL server in a temporary folder, on a port and a socket of its own.
--
--   postgres.missing -> nil, or what is not installed
--   postgres.start() -> server        a new cluster; raises when it does not come up
--     server.address                  for LuaSQL: "host=... port=... user=... dbname=..."
--     server:query(sql) -> list of rows (lists of text) | number of rows changed; raises
--     server:hold()                   takes the advisory lock 7
--     server:let_go()                 and gives it back, if held
--     server:stop()                   ends it as a restart does: clients are cut off
--     server:start()                  the same cluster again, at the same address
--
-- PostgreSQL refuses to run as root: then all of this is done as the user `postgres`.

local lfs = require "lfs"
local ports = require "support.ports"
local process = require "support.process"
local tmp = require "support.tmp"
local unistd = require "posix.unistd"

local have_luasql, luasql = pcall(require, "luasql.postgres")

local postgres = {}
local methods = {}
methods.__index = methods

-- The newest of the installed versions.
local function find_bin()
  local best, folder = 0, "/usr/lib/postgresql"
  if lfs.attributes(folder, "mode") == "directory" then
    for name in lfs.dir(folder) do
      local version = tonumber(name)
      if version and version > best and lfs.attributes(folder .. "/" .. name .. "/bin/initdb") then
        best = version
      end
    end
  end
  return best > 0 and ("%s/%d/bin/"):format(folder, best) or nil
end

local BIN = find_bin()
postgres.missing = not BIN and "no PostgreSQL server (postgresql)"
  or not have_luasql and "no luasql.postgres (lua-sql-postgres)" or nil

-- The user is given up before the program starts, and with it what makes the kernel end a child
-- whose parent died: setpriv asks for that again.
local function command(dir, program, ...)
  local argv = { env = { LC_ALL = "C" }, cwd = dir, stdout = dir .. "/log", stderr = dir .. "/log" }
  if unistd.geteuid() == 0 then
    for word in ("setpriv --reuid=postgres --regid=postgres --init-groups --pdeathsig KILL --")
      :gmatch "%S+" do
      argv[#argv + 1] = word
    end
  end
  argv[#argv + 1] = BIN .. program
  for i = 1, select("#", ...) do
    argv[#argv + 1] = (select(i, ...))
  end
  return argv
end

function postgres.start()
  local dir = tmp.dir()
  if unistd.geteuid() == 0 then
    assert(unistd.chown(dir, "postgres", "postgres"))
  end
  local server = setmetatable({ dir = dir, port = ports.free() }, methods)
  server.address = ("host=%s port=%d user=spec dbname=postgres"):format(dir, server.port)
  local initdb = process.spawn(command(dir, "initdb", "-D", dir .. "/data", "-U", "spec", "-A",
    "trust", "-E", "UTF8", "--locale=C", "-N"))
  if initdb:wait(60) ~= 0 then
    error("initdb failed: " .. tmp.read(dir .. "/log"), 2)
  end
  server:start()
  return server
end

-- Durability is off: what is lost when the machine fails is lost with the machine.
function methods:start()
  self.process = process.spawn(command(self.dir, "postgres", "-D", self.dir .. "/data", "-k",
    self.dir, "-h", "127.0.0.1", "-p", tostring(self.port), "-F"))
  self.process:comes_up("PostgreSQL", 30, function()
    return pcall(self.query, self, "SELECT 1")
  end, self.dir .. "/log")
end

function methods:stop()
  return (self.process:stop("SIGINT", 20))
end

function methods:hold()
  local env = luasql.postgres()
  self.holder = assert(env:connect(self.address .. " options='-c lock_timeout=5000'"))
  assert(self.holder:execute "SELECT pg_advisory_lock(7)"):close()
end

function methods:let_go()
  if self.holder then
    self.holder:close()
    self.holder = nil
  end
end

function methods:query(sql)
  local env = luasql.postgres()
  local db = assert(env:connect(self.address))
  local result, err = db:execute(sql)
  local rows = result
  if type(result) == "userdata" then
    rows = {}
    while true do
      local row = result:fetch({}, "n")
      if not row then
        break
      end
      rows[#rows + 1] = row
    end
  end
  db:close()
  env:close()
  return assert(rows, err)
end

return postgres
