-- SPDX-License-Identifier: MIT
-- groupcache.cli.try: groupcached run-getter, which runs one getter as a node would, once.
--
-- The node is real, in this process: it has one worker, no peers, and listens where nobody asks.
-- The folder traced/ has a groupcache.wait that notes each wait in a file, and a
-- groupcache.discover that leaves out groups' own peers.

local client = require "groupcache.cli.client"
local core = require "groupcache.core"
local json = require "groupcache.cli.json"
local node = require "groupcache.node"

local try = {}

local STATUS = client.STATUS

-- The folder beside this file whose modules are found before those that they stand for.
local function folder_of_traced()
  local own = package.searchpath("groupcache.cli.try", package.path)
  return own:match "^(.*)/try%.lua$" .. "/traced/?.lua"
end

-- Getters run in other VMs of this process: the file's name reaches them by the environment.
local function set_trace(path)
  local ffi = require "ffi"
  pcall(ffi.cdef, "int setenv(const char *name, const char *value, int overwrite);")
  ffi.C.setenv("GROUPCACHED_TRACE", path, 1)
end

-- The waits, in the order in which they ended: { what =, ms =, at_ms = }
local function read_waits(path)
  local waits = setmetatable({}, json.LIST)
  for line in io.lines(path) do
    local at, ms, what = line:match "^(%S+) (%S+) (.*)$"
    waits[#waits + 1] = { what = what, ms = tonumber(ms), at_ms = tonumber(at) }
  end
  os.remove(path)
  return waits
end

-- What a node keeps, shows or needs that is not for a try.
local NOT_HERE = { "access_log", "snapshot_path", "tls_cert", "tls_key", "tls_ca",
  "peer_secret", "peer_secret_file" }

local function start(path)
  local flags = { listen = "127.0.0.1:0", admin_listen = "127.0.0.1:0",
    peer_listen = "127.0.0.1:0", client_listen = "127.0.0.1:0", peers = {}, workers = 1,
    http_threads = 1, drain_timeout = 1, drain_delay = 0, log_level = "warn" }
  return node.begin(path, flags, function(settings)
    for _, name in ipairs(NOT_HERE) do
      settings[name] = nil
    end
    settings.tls_client_auth = "none"
  end)
end

local function put_text(result)
  if result.error then
    io.stderr:write(("failed: %s (%s)\n"):format(result.error, result.code))
  else
    io.stdout:write(result.value)
    if result.value:sub(-1) ~= "\n" then
      io.stdout:write "\n"
    end
  end
  local parts = { ("took %.3f ms"):format(result.ms) }
  if result.value then
    parts[2] = ("%d bytes"):format(result.bytes)
    parts[3] = not result.kept and "not kept" or result.ttl and ("kept for %d s"):format(result.ttl)
      or "kept"
  end
  io.stderr:write(table.concat(parts, ", "), "\n")
  for _, wait in ipairs(result.waits) do
    io.stderr:write(("  at %8.3f ms it waited %8.3f ms for %s\n"):format(wait.at_ms, wait.ms,
      wait.what))
  end
end

-- What the node holds of the key now, or nil: a value that is not kept.
local function held(n, name, key)
  local seen = client.new({}):view("http://" .. n.admin_address,
    client.path("/explain/", name, key))
  return seen and seen.held and seen
end

local function run(n, name, key)
  local group, message, code = n:group(name)
  if not group then
    return { error = message, code = code, ms = 0, waits = {} }
  end
  local from = core.now()
  local value, err, source = group:get(key)
  local result = { group = name, key = key, ms = (core.now() - from) * 1000 }
  if value == nil then
    result.error, result.code = err, source
    return result
  end
  local seen = held(n, name, key)
  result.value, result.bytes, result.kept = value, #value, seen and true or false
  result.ttl = seen and seen.expires_in_ms and math.ceil(seen.expires_in_ms / 1000) or nil
  return result
end

-- "run-getter"
try["run-getter"] = function(options, rest)
  local path, name, key = rest[1], rest[2], rest[3]
  local before, trace = package.path, os.tmpname()
  set_trace(trace)
  package.path = folder_of_traced() .. ";" .. before
  core.set_log "warn"
  local ok, n, message = pcall(start, path)
  package.path = before
  if not ok or not n then
    os.remove(trace)
    client.complain(ok and message or n)
    return STATUS.FAILED
  end
  local result = run(n, name, key)
  n:close()
  result.waits = read_waits(trace)
  if options.json then
    json.print(result)
  else
    put_text(result)
  end
  return result.error and STATUS.FAILED or STATUS.FINE
end

return try
