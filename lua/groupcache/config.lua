-- SPDX-License-Identifier: MIT
-- A node's settings: their rules, and how flags, environment, script and defaults come together.

local core = require "groupcache.core"
local limits = require "groupcache.limits"
local own = require "groupcache.discover.own"
local source_address = require "groupcache.discover.address"
local options = require "groupcache.options"

local config = {}

-- `help` is the line of --help, `arg` names the value there.
config.SETTINGS = {
  listen = { kind = "text", default = "127.0.0.1:8080", arg = "ADDRESS",
    help = "serve peers and clients here: HOST:PORT, where port 0\nis any free one, or unix:PATH" },
  peer_listen = { kind = "text", arg = "ADDRESS",
    help = "serve peers here instead, and not clients" },
  client_listen = { kind = "text", arg = "ADDRESS",
    help = "serve clients here instead, and not peers" },
  self = { kind = "text", arg = "URL",
    help = "this node's own URL, byte for byte as in every node's peers;\nauto: where it listens, "
      .. "with the address that others see" },
  peers = { kind = "peers", default = {}, arg = "URL,URL",
    help = "all nodes of the cluster, this one too; empty: alone; or\nwhere the list is: "
      .. "file:PATH, dns://NAME:PORT,\ndns+srv://NAME, etcd://HOST:PORT,HOST:PORT/PREFIX/,\n"
      .. "consul://HOST:PORT/SERVICE" },
  peers_wait = { kind = "duration", default = 30, arg = "SECONDS",
    help = "how long a node is not ready at its start while it waits\nfor the first list of a "
      .. "source of peers" },
  admin_listen = { kind = "text", arg = "ADDRESS",
    help = "serve /, /stats, /metrics here; default: 127.0.0.1 on the port of\n"
      .. "listen + 1000, or a free one" },
  workers = { kind = "integer", min = 1, max = 256, arg = "N",
    help = "Lua VMs that run getters; default: one a core, and no\n"
      .. "more than the control group allows processors" },
  http_threads = { kind = "integer", min = 1, max = 256, arg = "N",
    help = "threads that serve HTTP; default: as workers" },
  dialect = { kind = "enum", default = "golang", arg = "NAME",
    values = { "golang", "mailgun", "groupcache-go", "modernprogram" },
    help = "what the cluster speaks: golang, mailgun,\ngroupcache-go or modernprogram" },
  log_level = { kind = "levels", default = "info", arg = "LEVEL",
    help = "debug, info, warn, error or off; and of single modules,\nas in info,peers=debug" },
  log_format = { kind = "enum", default = "text", values = { "text", "json" }, arg = "NAME",
    help = "form of the log and of the access log: text or json" },
  access_log = { kind = "text", arg = "PATH",
    help = "a line for each request, in the combined format; - is\nstdout; default: no log" },
  front = { kind = "text", arg = "GROUP",
    help = "the HTTP cache that has all paths of clients which no\n"
      .. "other part of the node has; default: none" },
  trace_endpoint = { kind = "text", arg = "URL",
    help = "send spans of loads that belong to a trace to this\ncollector: OTLP over HTTP, "
      .. "as JSON" },
  trace_sample = { kind = "share", default = 0, arg = "SHARE",
    help = "part of the loads without a trace that begin one: 0 to 1" },
  base_path = { kind = "text", default = "/_groupcache/", arg = "PATH",
    help = "where peers ask, the same on every node" },
  replicas = { kind = "integer", default = 50, min = 1, max = 10000, arg = "N",
    help = "points of each peer on the ring, the same on every node" },
  hash = { kind = "enum", values = { "crc32", "fnv1-32", "fnv1a-32", "fnv1-64", "fnv1a-64" },
    arg = "NAME",
    help = "hash of the ring, the same on every node: crc32,\nfnv1-32 or fnv1a-32; in other "
      .. "dialects than golang\nfnv1-64, fnv1a-64 or crc32; default: the first" },
  ring_scheme = { kind = "enum", values = { "http", "https" }, arg = "SCHEME",
    help = "scheme of all peers' URLs on the ring: http or https;\ndefault: their own" },
  max_key_bytes = { kind = "integer", default = 4096, min = 1, max = 65536, arg = "N",
    help = "a longer key is refused" },
  max_connections = { kind = "integer", min = 1, max = 1000000, arg = "N",
    help = "connections served at once; default: 4000, or what\n"
      .. "the limit of open files allows" },
  connect_timeout = { kind = "duration", above_zero = true, arg = "SECONDS",
    help = "to connect to a peer, with the TLS handshake;\ndefault: 0.2, with TLS 1" },
  peer_changes = { kind = "words", default = "peers", arg = "FROM,FROM",
    help = "take changes of other nodes from these addresses: peers\n"
      .. "(those listed), a network such as 10.0.0.0/8, or open (all)" },
  peer_secret = { kind = "words", secret = true, arg = "SECRET,SECRET",
    help = "sign requests to peers with the first, and take requests\nof peers that one of these "
      .. "has signed; better in a file" },
  peer_secret_file = { kind = "text", arg = "PATH", help = "a file of such secrets, one a line" },
  peer_secret_for = { kind = "enum", default = "all", values = { "all", "changes" }, arg = "WHAT",
    help = "which requests of peers must be signed: all, or changes\nonly, if Go nodes ask, too" },
  tls_cert = { kind = "text", arg = "PATH",
    help = "serve TLS on listen with this certificate, in PEM, and\nshow it to https peers" },
  tls_key = { kind = "text", arg = "PATH", help = "its key" },
  tls_ca = { kind = "text", arg = "PATH",
    help = "believe certificates of this CA only: of https peers,\nand of clients" },
  tls_client_auth = { kind = "enum", values = { "none", "peers", "all" }, arg = "WHO",
    help = "who must show a certificate: none, peers (on base_path)\nor all; default: peers if "
      .. "there is a tls-ca" },
  tls_plain = { kind = "boolean", default = false, arg = "yes|no",
    help = "where TLS is spoken, take plain HTTP, too: while a cluster\nmoves from http to https" },
  tls_faces = { kind = "enum", default = "all", values = { "all", "peers", "clients" },
    arg = "WHICH", help = "what speaks TLS, where faces are parted: all, peers or\nclients" },
  drain_delay = { kind = "duration", default = 0, arg = "SECONDS",
    help = "how long a stopping node answers 503 on /readyz, and\n"
      .. "serves as before, until it refuses connections" },
  drain_timeout = { kind = "duration", default = 10, arg = "SECONDS",
    help = "how long a stopping node lets requests end" },
  snapshot_path = { kind = "text", arg = "PATH",
    help = "write the values to this file now and then, and read\nthem at the start" },
  snapshot_every = { kind = "duration", default = 300, arg = "SECONDS",
    help = "how often the snapshot is written; 0: only at the end" },
  snapshot_max_age = { kind = "duration", default = 600, arg = "SECONDS",
    help = "an older snapshot is not read" },
  stuck_timeout = { kind = "duration", default = 30, arg = "SECONDS",
    help = "how long all workers are stuck in C functions before\n"
      .. "groupcached ends with status 3; 0: for ever" },
  vm_bytes = { kind = "size", arg = "SIZE",
    help = "memory of each Lua VM; default: 64MiB, and less if the\n"
      .. "control group has a low limit" },
  loop = { kind = "enum", default = "plain", values = { "plain", "cqueues", "luv" }, arg = "NAME",
    help = "event loop that getters may use beside this API:\nplain (none), cqueues or luv" },
  jit = { kind = "boolean", default = false, arg = "yes|no",
    help = "compile getters; an endless loop can then not be stopped" },
}

-- Descriptors other than connections of clients, to peers and to origins: a few, and some for each
-- thread. During a reload there are two sets of VMs.
local OTHER_DESCRIPTORS = 64 + 70 -- and the operators' own server
local PER_WORKER, PER_HTTP_THREAD = 2, 5
local PER_LOOP = 8 -- libuv's: epoll, wake-ups, signals
local CLIENT_DESCRIPTORS = 512
local USUAL_CONNECTIONS = 4000

-- The bound while vm_bytes is not known: a mistake must not take the memory of the machine.
local MAX_SCRIPT_BYTES = 2 ^ 30

-- Flags and the environment give text.
local function from_text(rule, text)
  if rule.kind == "peers" and source_address.is_one(text) then
    return text
  elseif rule.kind == "list" or rule.kind == "peers" then
    local out = {}
    for item in text:gmatch("[^,]+") do
      out[#out + 1] = item:match("^%s*(.-)%s*$")
    end
    return out
  elseif rule.kind == "boolean" then
    local known = { yes = true, no = false, ["true"] = true, ["false"] = false, ["1"] = true,
      ["0"] = false }
    return known[text:lower()]
  elseif rule.kind == "integer" or rule.kind == "duration" or rule.kind == "share" then
    return tonumber(text) or text
  end
  return text
end

--- One setting from text. `what` names where it comes from.
-- @return value; or nil, message
function config.parse(name, text, what)
  local rule = config.SETTINGS[name]
  local value = from_text(rule, text)
  local checked, expected
  if value ~= nil then
    checked, expected = options.value(rule, value)
  end
  if checked == nil then
    return nil, ("%s is %s, and must be %s"):format(what, options.show(rule, text),
      expected or rule.arg)
  end
  return value
end

-- GROUPCACHE_LISTEN and so on.
local function from_environment()
  local out, wrong = {}, {}
  for name in pairs(config.SETTINGS) do
    local variable = "GROUPCACHE_" .. name:upper()
    local text = os.getenv(variable)
    if text and text ~= "" then
      local value, err = config.parse(name, text, variable)
      wrong[#wrong + 1] = err
      out[name] = value
    end
  end
  if #wrong > 0 then
    table.sort(wrong)
    return nil, table.concat(wrong, "; ")
  end
  return out
end

--- The log while the script runs, and its settings are not known: as the flags or the environment
-- say. Wrong values are complained of later.
function config.set_log_before(flags)
  local environment = from_environment() or {}
  core.set_log(flags.log_level or environment.log_level or "info",
    flags.log_format or environment.log_format or "text")
end

-- What commands take from the environment (groupcache.cli.words).
local OF_COMMANDS = { NODE = true, ADMIN = true, TOKEN = true }

--- Warns of variables of the environment that have the prefix of settings, but no setting's name.
-- Not an error: Kubernetes sets such variables for a service of that name.
function config.warn_of_environment()
  local unknown = {}
  for _, variable in ipairs(core.variables("GROUPCACHE_")) do
    local name = variable:match("^GROUPCACHE_(.*)$")
    if not OF_COMMANDS[name] and (name ~= name:upper() or not config.SETTINGS[name:lower()]) then
      unknown[#unknown + 1] = variable
    end
  end
  if #unknown > 0 then
    table.sort(unknown)
    core.log("warn", "the environment has unknown settings",
      "names=" .. core.quote(table.concat(unknown, " ")), "node")
  end
end

local ADMIN_PORT = 1000 -- so far from the port of listen: nodes of one host have ports side by side

-- /stats is not on the port of clients, which may be public, or behind a proxy that passes all on.
local function admin_default(listen)
  local path = listen:match("^unix:(.*)$")
  local port = tonumber(listen:match(":(%d+)$"))
  if path then
    return listen .. ".admin"
  end
  local moved = port == 0 and 0 or port + ADMIN_PORT <= 65535 and port + ADMIN_PORT
    or port - ADMIN_PORT
  return "127.0.0.1:" .. moved
end

local ADDRESSES = { "listen", "peer_listen", "client_listen", "admin_listen" }

local function complete_addresses(s)
  for _, name in ipairs(ADDRESSES) do
    local address = s[name]
    if address and not address:find("^unix:.") and not address:find("^.*:%d+$") then
      return nil, ("%s is %q, and must be HOST:PORT or unix:PATH"):format(name, address)
    end
  end
  s.admin_moves = not s.admin_listen
  s.admin_listen = s.admin_listen or admin_default(s.client_listen or s.listen)
  return true
end

local function check_base_path(s)
  if not s.base_path:find("^/[%w%-._~/]*[%w%-._~]/$") or s.base_path:find("//", 1, true) then
    return nil, ("base_path is %q, and must be a path such as /_groupcache/, of letters, digits "
      .. "and - . _ ~ only, with a slash at both ends"):format(s.base_path)
  end
  if s.base_path:find("^/cache/") then
    return nil, ("base_path is %q, which is where clients ask"):format(s.base_path)
  end
  return true
end

-- The engine has the same message for a list that is changed later.
local function complete_self(s)
  if s.self == "auto" then
    s.self_is_auto, s.self = true, own.in_list(s)
    if #s.peers > 0 and not s.self then
      return nil, ('self is "auto", and none of the %d peers has an address of this host and the '
        .. "port of %s"):format(#s.peers, s.peer_listen or s.listen)
    end
  end
  if #s.peers == 0 then
    return true -- the default of self: http:// and where the node listens
  end
  if not s.self then
    return nil, "peers are given, and self is not: a node must know which of them it is"
  end
  local scheme = s.ring_scheme and "^%w+:" or "^" -- with a ring_scheme, URLs may differ in theirs
  for _, url in ipairs(s.peers) do
    if url:gsub(scheme, "", 1) == s.self:gsub(scheme, "", 1) then
      return true
    end
  end
  return nil, ("self %q is not in the peer list (%d peers, the first is %q): every node must list "
    .. "itself, byte for byte"):format(s.self, #s.peers, s.peers[1])
end

-- Users of the dialect's Go library may have chosen another hash; the default is the library's.
local function complete_hash(s)
  local hashes = core.ring_hashes(s.dialect)
  for _, name in ipairs(hashes) do
    if name == (s.hash or hashes[1]) then
      s.hash = name
      return true
    end
  end
  return nil, ("hash is %q, and in the dialect %s must be one of \"%s\""):format(s.hash, s.dialect,
    table.concat(hashes, '", "'))
end

-- A handshake takes some milliseconds; on a busy machine, many times that.
local USUAL_CONNECT_MS, TLS_CONNECT_MS = 200, 1000

local function complete_tls(s)
  local cert = s.tls_cert or s.tls_key
  if s.tls_client_auth and not cert then
    return nil, "tls.client_auth is set, and tls.cert is missing"
  end
  s.tls_client_auth = s.tls_client_auth or s.tls_ca and "peers" or "none"
  if s.tls_client_auth ~= "none" and not s.tls_ca then
    return nil, ("tls.client_auth is %q, and tls.ca is missing: whose certificates?")
      :format(s.tls_client_auth)
  end
  local tls = cert or s.tls_ca
  for _, url in ipairs(s.peers) do
    tls = tls or url:find("^https:")
  end
  s.connect_timeout = s.connect_timeout or tls and TLS_CONNECT_MS or USUAL_CONNECT_MS
  return true
end

local TRACES = "/v1/traces" -- where collectors take spans

local function complete_trace(s)
  local url = s.trace_endpoint
  if not url and s.trace_sample > 0 then
    return nil, "trace.sample is set, and trace.endpoint is missing: where are the spans to go?"
  end
  if url and not url:find("^https?://[^/%s]+/?%S*$") then
    return nil, ("trace.endpoint is %q, and must be a URL such as http://127.0.0.1:4318")
      :format(url)
  end
  local host = url and url:match("^(https?://[^/]+)/?$")
  s.trace_endpoint = host and host .. TRACES or url
  return true
end

-- Peers and clients may have a server each, with as many connections.
local function data_servers(s)
  return (s.peer_listen or s.listen) ~= (s.client_listen or s.listen) and 2 or 1
end

-- The descriptors that a node needs for so many connections; those kept for peers and operators are
-- on top.
local function descriptors_for(s, connections)
  local per_worker = PER_WORKER + (s.loop == "plain" and 0 or PER_LOOP)
  local others = OTHER_DESCRIPTORS + per_worker * (s.workers + 1) + PER_HTTP_THREAD * s.http_threads
  return others + CLIENT_DESCRIPTORS + data_servers(s) * (connections + math.ceil(connections / 10))
end

local function complete_connections(s)
  local _, descriptors = core.limits()
  local room = math.floor((descriptors - descriptors_for(s, 0)) * 10 / 11 / data_servers(s))
  local wanted = s.max_connections or USUAL_CONNECTIONS
  local enough = descriptors_for(s, wanted)
  if room < 1 then
    return nil, ("the limit of %d open files is too low for a node: ulimit -n %d would do for %d "
      .. "connections"):format(descriptors, enough, wanted)
  end
  if s.max_connections and s.max_connections > room then
    return nil, ("max_connections is %d, and the limit of %d open files allows %d: ulimit -n %d "
      .. "would do"):format(wanted, descriptors, room, enough)
  end
  if not s.max_connections and room < wanted then
    core.log("warn", "the limit of open files is low: max_connections is less than usual",
      ("limit=%d max_connections=%d usual=%d ulimit_n=%d"):format(descriptors, room, wanted,
        enough), "node")
  end
  s.max_connections = math.min(wanted, room)
  return true
end

local function complete_threads(s)
  s.workers = s.workers or limits.threads()
  s.http_threads = s.http_threads or limits.threads()
  s.vm_bytes = s.vm_bytes or limits.vm_bytes(s.workers)
  return true
end

-- The engine takes durations under names with their unit.
local function complete_durations(s)
  for name, rule in pairs(config.SETTINGS) do
    if rule.kind == "duration" then
      s[name .. "_ms"] = s[name]
    end
  end
  return true
end

-- What follows from other settings: each step takes what those before it have set.
local STEPS = { complete_addresses, check_base_path, complete_self, complete_hash, complete_tls,
  complete_trace, complete_threads, complete_durations, complete_connections }

-- `found` has the sources of peers (discover/start.lua).
local function complete(s, found)
  s.peers = found.source and {} or s.peers
  s.peers_source, s.sources, s.source_host = found.source, found.sources, found.host
  for _, step in ipairs(STEPS) do
    local ok, err = step(s)
    if not ok then
      return nil, err
    end
  end
  return s
end

-- A script may write `tls = { cert =, key =, ca =, client_auth = }` for tls_cert and so on,
-- `snapshot = { path = }` for snapshot_path, and `trace = { endpoint = }` for trace_endpoint.
local TABLES = { tls = "cert, key, ca, client_auth or faces", snapshot = "path, every or max_age",
  trace = "endpoint or sample" }

local function spread_table(script, name, path)
  local given = script[name]
  if given == nil then
    return script
  end
  local schema, out = {}, {}
  for setting, rule in pairs(config.SETTINGS) do
    local field = setting:match("^" .. name .. "_(.*)$")
    schema[field or false] = field and rule
  end
  schema[false] = nil
  if type(given) ~= "table" then
    return nil, ("%s: %s is a %s, and must be a table with %s"):format(path, name, type(given),
      TABLES[name])
  end
  local fine, err = options.check(schema, given, path .. ": " .. name)
  if not fine then
    return nil, err
  end
  for setting, value in pairs(script) do
    out[setting] = value
  end
  out[name] = nil
  for field in pairs(given) do
    out[name .. "_" .. field] = given[field]
  end
  return out
end

local function spread_tables(script, path)
  local err
  for _, name in ipairs({ "tls", "snapshot", "trace" }) do
    script, err = spread_table(script, name, path)
    if not script then
      return nil, err
    end
  end
  return script
end

--- Settings of a node: flag > GROUPCACHE_* > script > default.
-- @param script the table that the script returned, or nil
-- @param flags values by name, already parsed
-- @param path the script's, for messages
-- @param found the sources of peers, as discover/start.lua returns them
-- @return complete settings; or nil, message
function config.settle(script, flags, path, found)
  local environment, err = from_environment()
  if not environment then
    return nil, err
  end
  script, err = spread_tables(script or {}, path)
  if not script then
    return nil, err
  end
  local checked
  checked, err = options.check(config.SETTINGS, script, path)
  if not checked then
    return nil, err
  end
  local merged = {}
  for _, source in ipairs({ script, environment, flags }) do
    for name, value in pairs(source) do
      merged[name] = value
    end
  end
  checked, err = options.check(config.SETTINGS, merged, "settings")
  if not checked then
    return nil, err
  end
  return complete(checked, found)
end

-- Lets the script's VM find the sources of peers. A list of the flags or the environment goes
-- before the script's.
local function find_sources(script, flags, old)
  local before = from_environment() or {}
  local given = { before = old and old.sources }
  for _, name in ipairs({ "peers", "peers_wait", "ring_scheme" }) do
    given[name] = flags[name] == nil and before[name] or flags[name]
  end
  local kind = type(given.peers)
  if kind == "function" or kind == "table" and given.peers.look then
    return nil, "peers are a function or a source, which only a node script can have: a program "
      .. 'can have a text such as "file:/etc/peers"'
  end
  return script:ask("groupcache.discover.start", given)
end

-- What is wrong with the groups; nil: nothing. `front` is an HTTP cache, if there is one.
local function wrong_groups(groups, front, path)
  local found = not front
  for _, group in ipairs(groups) do
    found = found or group.http and group.name == front
  end
  return not groups[1] and path
    .. ' defines no group: call groupcache.group("name", { getter = ... })'
    or not found and ("front is %q, and must name a group of groupcache.http.cache"):format(front)
end

-- The complete settings of a script that has run; or nil, message. `old` has those of the running
-- node, if there is one.
local function settle(script, path, flags, old)
  local found, err = find_sources(script, flags, old)
  if not found then
    return nil, err
  end
  local settings
  settings, err = script:settings()
  if not settings then
    return nil, err
  end
  settings, err = config.settle(settings, flags, path, found)
  if not settings then
    return nil, err
  end
  if not settings.jit and script:jit_refusal() then
    return nil, script:jit_refusal()
  end
  if settings.trace_endpoint then
    local ok
    ok, err = script:ask("groupcache.trace", { endpoint = settings.trace_endpoint })
    if not ok then
      return nil, err
    end
  end
  err = wrong_groups(script:groups(), settings.front, path)
  if err then
    return nil, err
  end
  local loop = old and old.loop or settings.loop
  if loop ~= "plain" then
    local ok
    ok, err = script:open_loop(loop)
    if not ok then
      return nil, err
    end
  end
  return settings
end

-- The search paths of modules: the script's folder stands right behind the place of our own.
local function with_folder(templates, folder, patterns)
  if not folder or folder:find("[;?]") then
    return templates
  end
  local list, place = {}, 0
  for template in templates:gmatch("[^;]+") do
    list[#list + 1] = template
    for _, module in ipairs({ "groupcache", "groupcache.config", "groupcache.core" }) do
      place = package.searchpath(module, template) and #list or place
    end
  end
  for i, pattern in ipairs(patterns) do
    table.insert(list, place + i, folder .. "/" .. pattern)
  end
  return table.concat(list, ";")
end

-- Adds a hint to the message of a missing module, which lists the places that were searched.
local function advise(err)
  local module = err:match("module '([%w_%-]+)[%w_.%-]*' not found:")
  if not module then
    return err
  end
  return ("%s\nmodules for LuaJIT are those of Lua 5.1: luarocks --lua-version=5.1 install %s")
    :format(err, module)
end

-- The script's memory bound: vm_bytes as known before the script has run. At a reload it is the
-- node's.
local function script_bytes(flags, old)
  if old then
    return old.vm_bytes
  end
  local environment = from_environment()
  local given = flags.vm_bytes or (environment and environment.vm_bytes)
  return given and options.value(config.SETTINGS.vm_bytes, given) or MAX_SCRIPT_BYTES
end

--- Runs the script in a VM of its own and completes the settings of its node.
-- @param old the settings of the node that is to take it, or nil
-- @return the script, complete settings; or nil, message, code
function config.prepare(path, flags, old)
  local folder = core.folder_of(path)
  local lua_path = with_folder(package.path, folder, { "?.lua", "?/init.lua" })
  local lua_cpath = with_folder(package.cpath, folder, { "?.so" })
  local script, err = core.script(path, lua_path, lua_cpath, script_bytes(flags, old))
  if not script then
    return nil, advise(err)
  end
  local settings
  settings, err = settle(script, path, flags, old)
  if not settings then
    script:close() -- a whole VM, which looks like a few bytes to the collector
    return nil, err
  end
  settings.package_path, settings.package_cpath = lua_path, lua_cpath
  return script, settings
end

return config
