-- SPDX-License-Identifier: MIT

--- Members of etcd.
--
--   local e = etcd.start(opts)        one member that serves; opts.args are more arguments
--   local members = etcd.cluster(3)   three of one cluster
--   e.url, e.address                  of its clients, "127.0.0.1:port"
--   e.process                         see support.process
--   e:again()                         starts it anew, with its data
--   e:call(path, table) -> table      an answer of the JSON gateway; raises for another status
--   e:keys(prefix) -> { key = value } raises if it does not answer
--   e:is_leader() -> boolean

local cjson = require "cjson"
local eventually = require "support.eventually"
local http = require "support.http"
local mime = require "mime"
local ports = require "support.ports"
local process = require "support.process"
local tmp = require "support.tmp"

local etcd = {}
etcd.__index = etcd

function etcd:call(path, body)
  local res = assert(http.request { host = "127.0.0.1", port = self.port, method = "POST",
    target = path, body = cjson.encode(body), timeout = 5 })
  assert(res.status == 200, res.body)
  return cjson.decode(res.body)
end

function etcd:keys(prefix)
  local last = prefix:sub(1, -2) .. string.char(prefix:byte(-1) + 1)
  local answer = self:call("/v3/kv/range", { key = (mime.b64(prefix)),
    range_end = (mime.b64(last)), serializable = true })
  local found = {}
  for _, kv in ipairs(answer.kvs or {}) do
    found[mime.unb64(kv.key)] = mime.unb64(kv.value or "")
  end
  return found
end

function etcd:is_leader()
  local status = self:call("/v3/maintenance/status", {})
  return status.leader == status.header.member_id
end

local function spawn(self)
  local argv = { "etcd", "--name", self.name, "--data-dir", self.dir .. "/data",
    "--listen-client-urls", self.scheme .. "://" .. self.address,
    "--advertise-client-urls", self.scheme .. "://" .. self.address,
    "--listen-peer-urls", self.peer, "--initial-advertise-peer-urls", self.peer,
    "--initial-cluster", self.all, "--logger", "zap", "--log-level", "error",
    stdout = self.dir .. "/log", stderr = self.dir .. "/log" }
  for _, arg in ipairs(self.args or {}) do
    argv[#argv + 1] = arg
  end
  self.process = process.spawn(argv)
end

local function prepare(name, opts)
  local port = ports.free()
  local scheme = opts and opts.scheme or "http"
  return setmetatable({ name = name, dir = tmp.dir(), port = port, scheme = scheme,
    address = "127.0.0.1:" .. port, url = scheme .. "://127.0.0.1:" .. port,
    peer = "http://127.0.0.1:" .. ports.free(), args = opts and opts.args }, etcd)
end

local function serves(self)
  if self.scheme == "https" then
    return tmp.read(self.dir .. "/log") and require("socket").connect("127.0.0.1", self.port)
  end
  local res = http.request { host = "127.0.0.1", port = self.port, method = "POST",
    target = "/v3/kv/range", body = '{"key":"AA=="}', timeout = 5 }
  return res and res.status < 500 -- it may want a user
end

function etcd:again()
  spawn(self)
  self.process:comes_up("etcd", 30, function() return serves(self) end, self.dir .. "/log")
end

function etcd.start(opts)
  local self = prepare("one", opts)
  self.all = "one=" .. self.peer
  self:again()
  return self
end

function etcd.cluster(n)
  local members, all = {}, {}
  for i = 1, n do
    members[i] = prepare("m" .. i)
    all[i] = ("m%d=%s"):format(i, members[i].peer)
  end
  for _, m in ipairs(members) do
    m.all = table.concat(all, ",")
    spawn(m)
  end
  for _, m in ipairs(members) do
    eventually(function() return serves(m) end, 60, "etcd serves")
  end
  return members
end

return etcd
