-- SPDX-License-Identifier: MIT
-- groupcache: the module for node scripts and programs. The engine is groupcache.core; this is its
-- Lua API.

assert(type(rawget(_G, "jit")) == "table", "groupcache needs LuaJIT 2.1")

local background = require "groupcache.background"
local codec = require "groupcache.codec"
local core = require "groupcache.core"
local discover = require "groupcache.discover"
local group = require "groupcache.group"
local http = require "groupcache.http"
local keying = require "groupcache.keying"
local many = require "groupcache.many"
local options = require "groupcache.options"
local schema = require "groupcache.schema"
local shared = require "groupcache.shared"
local sorted = require "groupcache.sorted"
local wait = require "groupcache.wait"
local writable = require "groupcache.writable"

local groupcache = { _VERSION = core.version, http = http }

local HOT = { sample = 0, always = 1, never = 2, rate = 3 } -- enum hot_policy
local QUERY = { refuse = 0, key = 1 } -- enum query_policy
local EVICTION = { lru = 0, sieve = 1, adaptive = 2 } -- enum eviction

local COMPRESS = { off = 0, gzip = 1, zstd = 2 } -- enum packed_coding

local MAX_NAME = 255
local MAX_VALUE = 2 ^ 30 -- ITEM_MAX_BYTES

-- enum http_policy
local function http_policy(given)
  return given and 1 + (given.obey and 2 or 0) + (given.status and 4 or 0) or 0
end

local function engine_numbers(o)
  return {
    cache_bytes = o.cache_bytes,
    remember_bytes = o.remember_bytes,
    ttl_ms = o.ttl,
    ttl_jitter = o.ttl_jitter,
    negative_ttl_ms = o.negative_ttl,
    refresh_ahead = o.refresh_ahead,
    stale_while_revalidate_ms = o.stale_while_revalidate,
    stale_if_error_ms = o.stale_if_error,
    keep_old_ms = o.keep_old,
    timeout_ms = o.timeout,
    max_value_bytes = o.max_value_bytes,
    max_loads = o.max_loads,
    max_waiting = o.max_waiting,
    max_rate = o.max_rate,
    max_keys = o.getter_many and o.max_keys or 1,
    gather_ms = o.gather,
    breaker = o.breaker,
    breaker_share = o.breaker_share,
    cpu_timeout_ms = o.cpu_timeout,
    burst_ms = o.burst,
    eviction = EVICTION[o.eviction],
    hot = HOT[o.hot],
    local_only = o.local_only and 1 or 0,
    writable = o.writable and 1 or 0,
    query = QUERY[o.query],
    compress = COMPRESS[o.compress],
    http = http_policy(o.http),
  }
end

local Group = {}
Group.__index = Group
Group.__name = "groupcache.group"

function Group:__tostring()
  return ("groupcache.group(%q)"):format(self.name)
end

--- The value of a key, loaded if need be. Only inside a getter; waits. Without a codec this is
-- the function of core.getter() itself.
-- @param given optional { timeout = seconds, full = boolean }, of this caller alone
-- @return value, nil, source; or nil, message, code. With full: a table with the value in `body`,
-- and its status, headers, ttl and age
function Group:get(key, given)
  options.check_key(key, "group:get") -- also of group.get(key), whose self is not a group
  if given ~= nil then
    options.get_timeout(given, "group:get")
  end
  wait.check "group:get"
  return codec.unwrap(self.name, self.codec, self:get_bytes(key, given))
end

-- A value that cannot be decoded is an error of its key.
local function decode_all(self, values, errors)
  for key, bytes in pairs(values) do
    local value, message, code = codec.unwrap(self.name, self.codec, bytes)
    values[key] = value
    if value == nil then
      errors[key] = { message = message, code = code }
    end
  end
  return values, errors
end

group(Group, {
  where = function(self) return self.name end,
  limit = function() return core.max_key_bytes() end,
  can_wait = function(what) return wait.check(what) end,

  change = function(self, what, change, keys, value, ttl_ms)
    local op = core.change(self.name, change, keys, value, ttl_ms, what)
    wait.await(op, what)
    return core.change_result(op)
  end,

  get_many = function(self, keys, timeout_ms, full)
    local op, message, code = core.get_many(self.name, keys, timeout_ms)
    if not op then
      return nil, message, code
    end
    wait.await(op, "group:get_many")
    return decode_all(self, core.get_many_result(op, keys, full))
  end,
})

-- "node.lua:12", of the code that called the caller of this function.
local function caller()
  local info = debug.getinfo(3, "Sl")
  return ("%s:%d"):format(info.short_src, info.currentline)
end

-- Whether the getter may use ctx. The table is made only then: making it is a quarter of a worker's
-- instructions for a trivial load.
local function takes_second(fn)
  local info = debug.getinfo(fn, "u")
  return info.isvararg or info.nparams > 1
end

local FRAMING = { ["content-length"] = true, ["transfer-encoding"] = true, connection = true }

-- The names of headers for the engine: lower-case, each ended by a line end.
local function header_list(names)
  local out = {}
  for i, name in ipairs(names) do
    if not name:find("^[%w!#$%%&'*+%-.^_`|~]+$") then
      return nil, ("pass_headers: %q is no name of a header"):format(name)
    end
    if FRAMING[name:lower()] then
      return nil, ("pass_headers: %q says where a request ends, and is not passed on"):format(name)
    end
    out[i] = name:lower() .. "\n"
  end
  return table.concat(out)
end

-- A group's own peers, as the engine takes them.
-- @return text, nil, the source or nil; or nil, message
local function peers_of(given)
  if not discover.is_source(given) then
    return options.peer_lines(given)
  end
  local source, err = discover.source(given)
  return source and "@" .. source.name, err, source
end

local function check_group(name, given)
  if type(name) ~= "string" or name == "" or #name > MAX_NAME or name:find("%z") then
    return nil, ("the name of a group is a string of 1 to %d bytes without NUL"):format(MAX_NAME)
  end
  if type(given) ~= "table" then
    return nil, ("group %q: the options are a %s, and must be a table"):format(name, type(given))
  end
  local o, err = options.check(schema, given, ("group %q"):format(name))
  if not o then
    return nil, err
  end
  if (o.getter == nil) == (o.getter_many == nil) then
    return nil, ("group %q: %s"):format(name, o.getter and "getter and getter_many are two getters"
      or "getter is missing")
  end
  if o.getter_many then
    o.getter = many.getter(name, o.getter_many, o.max_keys, not core.in_node())
  end
  if o.gather > 0 and o.gather >= o.timeout then
    return nil, ("group %q: gather is %g s, and must be less than timeout, %g s"):format(name,
      o.gather / 1000, o.timeout / 1000)
  end
  if o.max_value_bytes > MAX_VALUE then
    return nil, ("group %q: max_value_bytes is %d, and at most %d"):format(
      name, o.max_value_bytes, MAX_VALUE)
  end
  if o.http ~= nil and type(o.http) ~= "table" then
    return nil, ("group %q: http is a %s, and is what groupcache.http.cache() sets"):format(name,
      type(o.http))
  elseif o.http and not core.in_node() then
    return nil, ("group %q: an HTTP cache is a group of a node, and this is no node script"):format(
      name)
  end
  if o.compress ~= "off" then
    local why = o.http and "an HTTP cache has what its origin has compressed"
      or not core.in_node() and "only groups of a node have clients that take it"
      or not core.can_compress(COMPRESS[o.compress]) and "this build has no such library"
    if why then
      return nil, ("group %q: compress is %q: %s"):format(name, o.compress, why)
    end
  end
  if o.codec ~= nil then
    o.codec, err = codec.find(o.codec, o.max_value_bytes)
    if not o.codec then
      return nil, ("group %q: %s"):format(name, err)
    end
    o.getter = codec.wrap(name, o.codec, o.getter)
  end
  o.content_type = o.content_type or (o.codec and o.codec.content_type)
    or "application/octet-stream"
  o.pass_headers, err = header_list(o.pass_headers)
  if not o.pass_headers then
    return nil, ("group %q: %s"):format(name, err)
  end
  for _, option in ipairs { "key", "query", "vary" } do
    if o.http and given[option] ~= nil then
      return nil, ("group %q: %s is no option of an HTTP cache, whose keys are URLs"):format(name,
        option)
    end
  end
  if o.key and (given.query ~= nil or given.vary ~= nil) then
    return nil, ("group %q: key makes the whole key, so %s cannot stand beside it"):format(name,
      given.query ~= nil and "query" or "vary")
  elseif o.key and not core.in_node() then
    return nil, ("group %q: key is for requests, and only groups of a node have them"):format(name)
  end
  o.query, o.keying, o.key_args = keying.rules(o.query, o.vary, o.key)
  if not o.query then
    return nil, ("group %q: %s"):format(name, o.keying)
  end
  o.writers, err = writable.rules(o.writable)
  if not o.writers then
    return nil, ("group %q: %s"):format(name, err)
  end
  if o.peers then
    o.peers, err, o.source = peers_of(o.peers)
    if not o.peers then
      return nil, ("group %q: %s"):format(name, err)
    end
  end
  if o.timeout == 0 then
    return nil, ("group %q: timeout is 0, and must be more"):format(name)
  end
  return o
end

--- Starts a node in this process.
-- @param given { script = path of a node script, and any setting of groupcached }
-- @return the node; or nil, message, code
function groupcache.start(given)
  local node, err, code = require("groupcache.node").start(given) -- no tail call: start() counts
  return node, err, code -- the levels to the caller's line
end

--- Defines a group: in a node script, of the node; in a program, of that program alone. The getter
-- is called as getter(key, ctx) and returns value [, nil, ttl] | a table with the value in `body` |
-- nil (not found) | nil, err (failed).
-- @return the group
function groupcache.group(name, given)
  local o, err = check_group(name, given)
  if not o then
    error(err, 2)
  end
  if not core.in_node() then
    return require "groupcache.alone"(name, engine_numbers(o), o)
  end
  local ok
  ok, err = core.define(name, engine_numbers(o), o.content_type, o.getter, caller(),
    o.pass_headers, o.peers, takes_second(o.getter), o.writers, o.keying,
    o.key, o.key_args)
  if not ok then
    error(err, 2)
  end
  if o.source then
    discover.of_groups[name] = o.source
  end
  local made = setmetatable({ name = name, codec = o.codec or false }, Group)
  local get = core.getter(made, options.check_key, options.get_timeout)
  made[o.codec and "get_bytes" or "get"] = get -- in the object itself: __index takes time
  return made
end

--- A table of texts and numbers that all VMs of the node have in common.
-- @param given optional { bytes = its bound [1 MB] }
-- @return the table, with get, set, incr, ttl and stats
function groupcache.shared(name, given)
  if not core.in_node() then
    error("groupcache.shared: in the script of a node only", 2)
  end
  local t, err = shared(name, given)
  if not t then
    error(err, 2)
  end
  return t
end

local asked_at = {} -- how many constants, by the place of the call
local making = "" -- the constant that is being made: those that its function asks for are its own

--- A value that no VM changes, such as a large table: the first VM of a script makes it, and all
-- VMs read the same memory. Only while the script runs.
-- @param fn returns tables, strings, numbers and booleans
-- @return what fn has returned; a table can be read, and not be changed
function groupcache.constant(fn)
  if type(fn) ~= "function" then
    error(("groupcache.constant: a %s, and must be a function"):format(type(fn)), 2)
  end
  local where = making .. caller()
  local nth = (asked_at[where] or 0) + 1
  asked_at[where] = nth
  local made, value = core.constant_find(where, nth)
  if made == nil then
    error(value, 2)
  elseif made then
    return value
  end
  local outer = making
  making = ("%s#%d > "):format(where, nth)
  local ok, result = pcall(fn)
  making = outer
  if not ok then
    error(result, 0)
  end
  value = core.constant_make(where, nth, result) -- no tail call: errors count the levels
  return value
end

local function next_item(t, i)
  local value = t[i + 1]
  if value ~= nil then
    return i + 1, value
  end
end

--- pairs(), also of a table of a constant.
function groupcache.pairs(t)
  if core.is_constant(t) then
    return core.constant_next, t, nil
  end
  return pairs(t)
end

--- ipairs(), also of a table of a constant.
function groupcache.ipairs(t)
  if core.is_constant(t) then
    return next_item, t, 0
  end
  return ipairs(t)
end

groupcache.every = background.every
groupcache.background = background.background

--- Waits for that time, while the other getters of this VM run. Only inside a getter.
function groupcache.sleep(seconds)
  if type(seconds) ~= "number" then
    error(("groupcache.sleep: seconds are a %s, and must be a number"):format(type(seconds)), 2)
  end
  wait.await(core.sleep(seconds), "groupcache.sleep")
end

--- Runs fn(...) as a task: it and the caller wait at the same time. Only inside a getter.
-- @return the task; task:wait() returns the results of fn
function groupcache.spawn(fn, ...)
  if type(fn) ~= "function" then
    error(("groupcache.spawn: a %s, and must be a function"):format(type(fn)), 2)
  end
  core.check_can_wait("groupcache.spawn")
  return wait.spawn(fn, ...)
end

-- The keys of a table of functions, 1 to n first, then the names; or nil, message.
local function keys_of_functions(functions)
  local list, names = {}, {}
  for key, fn in pairs(functions) do
    if type(fn) ~= "function" then
      return nil, ("item %s is a %s, and must be a function"):format(tostring(key), type(fn))
    elseif type(key) == "string" then
      names[#names + 1] = key
    else
      list[#list + 1] = #list + 1
    end
  end
  for i in ipairs(list) do -- as many keys that are no names as there are, so they are 1 to n
    if functions[i] == nil then
      return nil, ("item %d is nil: the keys are 1 to n, or names"):format(i)
    end
  end
  table.sort(names)
  for _, name in ipairs(names) do
    list[#list + 1] = name
  end
  return list
end

--- Runs functions at the same time and waits for all. Only inside a getter.
-- @param functions a list, or functions by name
-- @return three tables with its keys: their first, second and third results
function groupcache.all(functions)
  if type(functions) ~= "table" then
    error(("groupcache.all: a %s, and must be a list of functions"):format(type(functions)), 2)
  end
  local keys, wrong = keys_of_functions(functions)
  if not keys then
    error("groupcache.all: " .. wrong, 2)
  end
  core.check_can_wait("groupcache.all")
  return wait.all(functions, keys)
end

--- Runs fn(...), in which the getter is not set aside, however long it computes. Nothing in there
-- can wait.
-- @return the results of fn
function groupcache.critical(fn, ...)
  if type(fn) ~= "function" then
    error(("groupcache.critical: a %s, and must be a function"):format(type(fn)), 2)
  end
  return core.critical(fn, ...)
end

--- The parts of a key of a group with `query` or `vary`.
-- @return { path =, query = text or nil, args = table, vary = table }
function groupcache.split(key)
  if type(key) ~= "string" then
    error(("groupcache.split: a %s, and must be a key"):format(type(key)), 2)
  end
  return keying.split(key)
end

--- What stands for nil inside of values with the codec "json" or "msgpack"; cjson.null, too.
groupcache.null = core.null

--- What a getter returns in place of the value in ctx.old, if that is still right.
groupcache.same = core.same

--- Marks a table as a value with its headers, tags and times, in a group with a codec. There a
-- plain table is a value that the codec encodes.
-- @return the table
function groupcache.value(t)
  if type(t) ~= "table" then
    error(("groupcache.value: a %s, and must be a table"):format(type(t)), 2)
  end
  return setmetatable(t, codec.VALUE)
end

--- Marks a table as a list, so that it is one with the codec "json" though it is empty.
-- @return the table
function groupcache.list(t)
  if type(t) ~= "table" then
    error(("groupcache.list: a %s, and must be a table"):format(type(t)), 2)
  end
  return setmetatable(t, core.list)
end

--- Seconds on the clock of ctx.deadline; its zero has no meaning.
groupcache.now = core.now

local function fields_text(fields)
  local out = {}
  for i, name in ipairs(sorted(fields)) do
    local value = fields[name]
    local plain = type(value) == "number" or type(value) == "boolean"
    out[i] = name .. "=" .. (plain and tostring(value) or core.quote(tostring(value)))
  end
  return table.concat(out, " ")
end

local LEVELS = { debug = true, info = true, warn = true, error = true }

--- Writes a line to the node's log.
-- @param level "debug", "info", "warn" or "error"
-- @param message text
-- @param fields optional table of further key=value pairs
function groupcache.log(level, message, fields)
  if not LEVELS[level] then
    error('groupcache.log: the level is "debug", "info", "warn" or "error"', 2)
  end
  for name in pairs(fields or {}) do
    if type(name) ~= "string" or not name:find("^[%a_][%w_]*$") then
      error(("groupcache.log: %q is no name for a field"):format(tostring(name)), 2)
    end
  end
  core.log(level, tostring(message), fields and fields_text(fields) or "")
end

return groupcache
