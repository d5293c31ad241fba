-- SPDX-License-Identifier: MIT

--- What the figures were made on and with: all of it asked, nothing known beforehand.
--
--   machine.cores() -> { number, ... }      the cores that this process may use
--   machine.load() -> text                  the load averages
--   machine.facts() -> { { name, text }, ... }     hardware, system, date, load
--   machine.versions() -> { { name, text }, ... }  ours and the peers'

local machine = {}

local function first_line(command)
  local p = io.popen("exec 2>&1; " .. command, "r")
  local text = p:read "*a"
  p:close()
  return text:match "^%s*(.-)%s*%f[\n%z]"
end

local function match_in(path, pattern)
  local f = io.open(path)
  local text = f and f:read "*a" or ""
  if f then
    f:close()
  end
  return text:match(pattern)
end

local function allowed_cores()
  local list = assert(match_in("/proc/self/status", "Cpus_allowed_list:%s*(%S+)"))
  local cores = {}
  for from, to in (list .. ","):gmatch "(%d+)%-?(%d*)," do
    for core = tonumber(from), tonumber(to) or tonumber(from) do
      cores[#cores + 1] = core
    end
  end
  return cores
end

local cores = allowed_cores() -- before the conductor pins itself

function machine.cores()
  return cores
end

function machine.load()
  return match_in("/proc/loadavg", "^(%S+ %S+ %S+)")
end

function machine.facts()
  local memory_kb = tonumber(match_in("/proc/meminfo", "MemTotal:%s*(%d+)"))
  return {
    { "date", os.date "!%Y-%m-%d %H:%M UTC" },
    { "processor", match_in("/proc/cpuinfo", "model name%s*:%s*([^\n]+)")
      or first_line "uname -m" },
    { "cores in use", table.concat(cores, ", ") },
    { "memory", ("%.1f GiB"):format(memory_kb / 1048576) },
    { "system", (match_in("/etc/os-release", 'PRETTY_NAME="([^"]+)"') or "unknown")
      .. ", Linux " .. first_line "uname -r" },
    { "load average before", machine.load() },
  }
end

-- Name, the program that must be there, command whose first line has the version.
local VERSIONS = {
  { "groupcached", "$BUILD/bin/groupcached",
    "$BUILD/bin/groupcached --version | cut -d' ' -f2" },
  { "commit", "git", "git describe --always --dirty" },
  { "compiler", "${CC:-cc}", "${CC:-cc} --version" },
  { "LuaJIT", "luajit", "luajit -v" },
  { "libmicrohttpd", "pkg-config", "pkg-config --modversion libmicrohttpd" },
  { "libcurl", "pkg-config", "pkg-config --modversion libcurl" },
  { "nginx", "nginx", "nginx -v" },
  { "Go", "go", "go version" },
  { "Go groupcache", "dpkg-query",
    "dpkg-query -W -f='${Version}' golang-github-golang-groupcache-dev" },
  { "memcached", "memcached", "memcached -V" },
  { "Redis", "redis-server", "redis-server --version" },
  { "wrk", "wrk", "wrk -v" },
}

function machine.versions()
  local list = {}
  for i, v in ipairs(VERSIONS) do
    local command = ("PATH=$PATH:/usr/sbin; if command -v %s >/dev/null; then %s; else "
      .. "echo missing; fi"):format(v[2], v[3])
    list[i] = { v[1], (first_line(command):gsub(" %-?%-? ?Copyright.*", "")) }
  end
  return list
end

return machine
