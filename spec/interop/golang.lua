-- SPDX-License-Identifier: MIT

--- Real Go groupcache nodes (gonode/) in processes of their own.
--
--   golang.start{ self=, peers={}, groups={}, args={}, tls={ cert=, key=, ca= } } -> go
--     go.port, go.url      what peers ask
--     go:get(key, opts)    the value as the group's own user gets it | nil, error text, status
--     go:set_peers(list)   replaces the ring
--     go:owner(key)        URL of the owner, by Go's own ring
--     go:key_owned_by(url, pattern)  the first key pattern:format(0), (1), ... that url owns
--     go:loads()           key -> calls of the getter on this node
--     go:stats()           { group = {}, main = {}, hot = {} }
--     go:traces()          { { path =, traceparent = {}, tracestate = {} }, ... } of its peers
--     go:log(), go:kill9()
--   golang.owners(peers, replicas, what) -> a list of places in peers, by Go's own ring, without a
--     server. what = { n = 1000 } for key0 to key999, { keys = list }, or { points = true } for the
--     ring's own points, peer by peer; hash = "fnv1-32" for another HashFn than the usual one
--
-- go:asking(key) is the request behind go:get, for those who send many at once: see nodes.lua.

local cjson = require "cjson"
local http = require "support.http"
local keys = require "interop.keys"
local process = require "support.process"
local tmp = require "support.tmp"

local golang = {}
local methods = {}
methods.__index = methods

golang.binary = (os.getenv "BUILD" or "build") .. "/interop/gonode"

function golang.start(opts)
  opts = opts or {}
  local go = setmetatable({ kind = "go", dir = tmp.dir() }, methods)
  local argv = { golang.binary, "node", stdout = go.dir .. "/stdout", stderr = go.dir .. "/stderr" }
  local function flag(name, value)
    if value then
      argv[#argv + 1] = name
      argv[#argv + 1] = value
    end
  end
  flag("-self", opts.self)
  flag("-peers", opts.peers and table.concat(opts.peers, ","))
  flag("-groups", opts.groups and table.concat(opts.groups, ","))
  for name, path in pairs(opts.tls or {}) do
    flag("-" .. name, path)
  end
  for _, arg in ipairs(opts.args or {}) do
    argv[#argv + 1] = arg
  end
  go.process = process.spawn(argv)
  local line = go.process:comes_up("gonode", 15, function()
    return tmp.read(argv.stdout):match "^(ready [^\n]*)\n"
  end, argv.stderr)
  local listen, ctl = line:match "^ready listen=%S+:(%d+) ctl=%S+:(%d+) "
  go.port, go.ctl_port = tonumber(listen), tonumber(ctl)
  go.url = opts.self or (opts.tls and "https" or "http") .. "://127.0.0.1:" .. listen
  return go
end

--- The request that asks the node as its own user would: for http.request and conn:request.
function methods:asking(key)
  return { port = self.ctl_port, target = "/ctl/get?key=" .. keys.hex(key) }
end

-- One connection for all that is not a load.
local function control(self, request)
  self.control = self.control or assert(http.connect("127.0.0.1", self.ctl_port))
  local res = assert(self.control:request(request))
  assert(res.status == 200, res.body)
  return res.body
end

function methods:get(key, opts)
  local request = self:asking(key)
  request.timeout = opts and opts.timeout
  local res, err = http.request(request)
  if not res then
    return nil, err
  elseif res.status ~= 200 then
    return nil, res.body, res.status
  end
  return res.body
end

function methods:set_peers(peers)
  control(self, { method = "POST", target = "/ctl/peers", body = cjson.encode { peers = peers } })
end

function methods:owner(key)
  return control(self, { target = "/ctl/owner?key=" .. keys.hex(key) })
end

function methods:key_owned_by(url, pattern)
  for i = 0, 9999 do
    local key = pattern:format(i)
    if self:owner(key) == url then
      return key
    end
  end
  error(("%s owns no key of the form %s"):format(url, pattern))
end

function methods:loads()
  local loads = {}
  for hex, n in pairs(cjson.decode(control(self, { target = "/ctl/loads" }))) do
    loads[keys.unhex(hex)] = n
  end
  return loads
end

function methods:stats()
  return cjson.decode(control(self, { target = "/ctl/stats" }))
end

function methods:traces()
  return cjson.decode(control(self, { target = "/ctl/traces" }))
end

function methods:log()
  return tmp.read(self.dir .. "/stderr")
end

function methods:kill9()
  self.process:kill "SIGKILL"
  self.process:wait(10)
end

function golang.owners(peers, replicas, what)
  local argv = { golang.binary, "ring", "-peers", table.concat(peers, ","), "-replicas", replicas,
    "-hash", what.hash or "crc32" }
  if what.points then
    argv[#argv + 1] = "-points"
  elseif what.keys then
    local lines = {}
    for i, key in ipairs(what.keys) do
      lines[i] = keys.hex(key) .. "\n"
    end
    argv[#argv + 1] = "-keys"
    argv.input = table.concat(lines)
  else
    argv[#argv + 1] = "-n"
    argv[#argv + 1] = what.n
  end
  local r = process.run(argv)
  assert(r.code == 0, r.stderr)
  local owners = {}
  for i = 1, #r.stdout do
    owners[i] = r.stdout:byte(i) + 1
  end
  return owners
end

return golang
