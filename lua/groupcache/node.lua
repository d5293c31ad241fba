-- SPDX-License-Identifier: MIT
-- groupcache.node: a node inside a program. Its getters run in worker VMs, on threads of their own,
-- made from a script. The program asks its groups.

local config = require "groupcache.config"
local core = require "groupcache.core"
local group = require "groupcache.group"
local handle = require "groupcache.handle"
local limits = require "groupcache.limits"
local options = require "groupcache.options"
local pending = require "groupcache.pending"
local own = require "groupcache.discover.own"
local reload = require "groupcache.reload"

local Group = {}
Group.__index = Group
Group.__name = "groupcache.group"

function Group:__tostring()
  return ("groupcache.group(%q)"):format(self.name)
end

--- Begins a get that does not block.
-- @param given as of get
-- @return a pending get; groupcache.pending has its methods
function Group:start(key, given)
  options.check_key(key, "group:start")
  local timeout_ms, full = options.get_timeout(given, "group:start")
  local value, _, source = self.handle:hit(key, full)
  if value then
    return pending.ended(value, nil, source)
  end
  return pending.new(core.pending(self.handle.raw, key, timeout_ms, full))
end

--- The value of a key, loaded if need be. Blocks the calling thread; a coroutine of cqueues lets
-- the others run.
-- @param given optional { timeout = seconds, full = boolean }, or the seconds; default: the group's
-- own timeout
-- @return value, nil, source; or nil, message, code
function Group:get(key, given)
  options.check_key(key, "group:get")
  local timeout_ms, full = options.get_timeout(given, "group:get")
  local value, _, source = self.handle:hit(key, full)
  if value then
    return value, nil, source
  end
  if pending.can_poll() then
    return pending.poll(pending.new(core.pending(self.handle.raw, key, timeout_ms, full)))
  end
  return core.wait(self.handle.raw, key, timeout_ms, full)
end

-- -> a pending get | nil, message, code
local function start_many(self, keys, timeout_ms, full)
  local raw, message, code = core.pending_many(self.handle.raw, keys, timeout_ms, full)
  if not raw then
    return nil, message, code
  end
  return pending.many(raw, keys)
end

group(Group, {
  where = function(self) return self.handle.raw end,
  limit = function(self) return core.max_key_bytes(self.handle.raw) end,
  can_wait = function() end,

  change = function(self, _, change, keys, value, ttl_ms)
    return core.wait_change(self.handle.raw, change, keys, value, ttl_ms)
  end,

  get_many = function(self, keys, timeout_ms, full)
    if not pending.can_poll() then
      return core.wait_many(self.handle.raw, keys, timeout_ms, full)
    end
    local get, message, code = start_many(self, keys, timeout_ms, full)
    if not get then
      return nil, message, code
    end
    return pending.poll(get)
  end,

  start_many = start_many,
})

local Node = {}
Node.__index = Node
Node.__name = "groupcache.node"

function Node:__tostring()
  return ("groupcache.node(%s)"):format(self.raw and self.address or "closed")
end

local function check_open(self, what)
  if not self.raw then
    error(what .. ": this node is closed", 3)
  end
end

--- A group of the node, by name; nil when it has none of that name.
function Node:group(name)
  check_open(self, "node:group")
  if type(name) ~= "string" then
    error(("node:group: the name is a %s, and must be a string"):format(type(name)), 2)
  end
  local raw = self.raw:handle(name)
  if not raw then
    return nil, ("this node has no group %q"):format(name), "NOTFOUND"
  end
  return setmetatable({ name = name, handle = handle.new(raw) }, Group)
end

-- nil is the node's list.
local function set_group_peers(raw, name, peers)
  local urls, wrong
  if peers ~= nil then
    urls, wrong = options.peer_lines(peers)
  end
  if wrong then
    return nil, ("group %q: %s"):format(name, wrong), "INVAL"
  end
  return raw:set_group_peers(name, urls)
end

--- Replaces the list of peers; {} for none.
-- @param name optional, of a group: its own list, nil for the node's
-- @return true; or nil, message, code
function Node:set_peers(peers, name)
  check_open(self, "node:set_peers")
  if name ~= nil and (type(name) ~= "string" or name:find("%z")) then
    error(("node:set_peers: the name is a %s, and must be a string without NUL"):format(
      type(name)), 2)
  end
  if name and peers == nil then
    return set_group_peers(self.raw, name, nil)
  end
  local checked, expected = options.value({ kind = "list" }, peers)
  if checked == nil then
    error("node:set_peers: the peers must be " .. expected, 2)
  end
  if name then
    return set_group_peers(self.raw, name, checked)
  end
  return self.raw:set_peers(checked)
end

--- Reads the script again: getters, groups and peers are replaced, cached values stay.
-- @return true; or nil, message, code, and nothing has changed
function Node:reload()
  check_open(self, "node:reload")
  local from = self.started
  return reload(self.raw, from.script, from.flags, from.settings)
end

--- The content of /stats, as a table.
function Node:stats()
  check_open(self, "node:stats")
  return core.decode(self.raw:stats(), "json")
end

--- Ends the node: requests under way may end first. A second call does nothing.
function Node:close()
  local raw = self.raw
  self.raw = nil
  if raw then
    raw:close()
  end
end

local node = {}

--- As start(), with flags that are checked. The command line uses it.
-- @param adjust optional: changes the complete settings before the node starts
function node.begin(path, flags, adjust)
  local script, settings = config.prepare(path, flags)
  if not script then
    return nil, settings, "INVAL"
  end
  if adjust then
    adjust(settings)
  end
  core.set_log(settings.log_level, settings.log_format)
  config.warn_of_environment()
  own.find(settings)
  local groups = script:groups()
  local raw, err, code = core.node(script, settings)
  script:close()
  if not raw then
    return nil, err, code
  end
  limits.log(settings, groups)
  local address, admin, _, url = raw:address()
  return setmetatable({ raw = raw, address = address, admin_address = admin,
    url = url,
    started = { script = path, flags = flags, settings = settings } }, Node)
end

--- Starts a node in this process. Raises for an unknown option or a wrong type.
-- @param given { script = path, and any setting of groupcached }
-- @return the node; or nil, message, code
function node.start(given)
  if core.in_node() then
    error("groupcache.start: a node script does not start nodes", 3)
  end
  if type(given) ~= "table" or type(given.script) ~= "string" then
    error("groupcache.start: the options are a table with script = the path of a node script", 3)
  end
  local flags = {}
  for name, value in pairs(given) do
    if name ~= "script" then
      flags[name] = value
    end
  end
  local fine, wrong = options.check(config.SETTINGS, flags, "groupcache.start")
  if not fine then
    error(wrong, 3)
  end
  return node.begin(given.script, flags)
end

return node
