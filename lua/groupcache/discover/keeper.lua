-- SPDX-License-Identifier: MIT
-- groupcache.discover.keeper: keeps lists of peers as their sources say. One place for all sources,
-- in the control worker of a node.
--
-- A list of a source becomes the list of the node, or of a group, by these rules:
-- - an entry that cannot be a peer is left out, and the log says so once;
-- - this node is always in the list;
-- - a look that fails changes nothing;
-- - a list that is empty, or that has lost more than half of its peers, must hold for three looks.
--   Peers that have left by themselves do not count;
-- - a list is replaced once a second at most.

local core = require "groupcache.core"
local wait = require "groupcache.wait"

local keeper = {}

local LOOKS_TO_HOLD = 3
local LEAST_HELD, MOST_HELD = 1, 5 -- seconds between looks at a list that must hold
local LEAST_SECONDS, MOST_SECONDS, USUAL_SECONDS = 0.1, 3600, 10
local RING_SECONDS = 1
local WATCH_SECONDS = 60 -- then a source looks again, since a dead connection is silent
local FIRST_PAUSE, LAST_PAUSE = 1, 30
local MAX_PEERS = 10000
local MOST_ERROR, MOST_STATUS = 500, 2 ^ 20 -- bytes

local function sleep(seconds)
  wait.await(core.sleep(seconds), "groupcache.sleep")
end

-- From 3/4 to 5/4, so that nodes that failed together do not try again together.
local function jitter(seconds)
  return seconds * (0.75 + math.random() / 2)
end

local Kept = {}
Kept.__index = Kept

function Kept:log(level, message, fields)
  local out = { "source=" .. core.quote(self.source.name) }
  if self.group then
    out[#out + 1] = "group=" .. core.quote(self.group)
  end
  for i = 1, #fields, 2 do
    local value = fields[i + 1]
    out[#out + 1] = fields[i] .. "=" .. (type(value) == "number" and value or core.quote(value))
  end
  core.log(level, message, table.concat(out, " "), "peers")
end

-- --- the entries ---

-- With a ring_scheme, URLs of one peer may differ in their schemes.
function Kept:is_self(url)
  if self.any_scheme then
    return url:gsub("^%w+:", "", 1) == self.own:gsub("^%w+:", "", 1)
  end
  return url == self.own
end

-- Says once why an entry is left out; forgets entries that are gone.
function Kept:leave_out(out)
  for entry, why in pairs(out) do
    if not self.left_out[entry] then
      self:log("warn", "an entry of a source of peers is left out",
        { "entry", entry, "error", why })
    end
  end
  self.left_out = out
end

-- The entries that can be peers, each once, sorted; and whether this node is among them.
function Kept:clean(list)
  local urls, seen, out, has_self = {}, {}, {}, false
  for _, url in ipairs(list) do
    local ok, err = type(url) == "string", ("a %s is no URL"):format(type(url))
    if ok then
      ok, err = core.check_peer_url(url)
    end
    local place = ok and url:gsub("^%w+:", "", 1)
    if not ok then
      out[tostring(url)] = err
    elseif not seen[place] then
      seen[place] = true
      has_self = has_self or self:is_self(url)
      urls[#urls + 1] = url
    end
  end
  self:leave_out(out)
  table.sort(urls)
  return urls, has_self
end

function Kept:add_self(urls, has_self)
  if has_self then
    self.self_listed = true
    return
  end
  if self.self_listed ~= false and #urls > 0 then
    self:log("warn", "this node is not in the list of its source, and adds itself",
      { "self", self.own, "first", urls[1] })
    self.self_listed = false
  end
  urls[#urls + 1] = self.own
  table.sort(urls)
end

-- --- whether a list is taken ---

local function set_of(list)
  local set = {}
  for _, item in ipairs(list) do
    set[item] = true
  end
  return set
end

local function count_missing(from, set)
  local n = 0
  for _, item in ipairs(from) do
    n = n + (set[item] and 0 or 1)
  end
  return n
end

-- Whether a list has lost so many peers that the source may be wrong.
function Kept:is_doubtful(urls, listed, left)
  if not self.taken then
    return listed == 0
  end
  local now, gone, gone_by_itself = set_of(urls), 0, set_of(left or {})
  for _, url in ipairs(self.taken) do
    if not now[url] and not gone_by_itself[url] then
      gone = gone + 1
    end
  end
  return gone > 0 and (listed == 0 or gone * 2 > #self.taken)
end

-- Whether the list must be seen more often before it is taken.
function Kept:hold(urls, listed, left)
  if not self:is_doubtful(urls, listed, left) then
    self.held = 0
    return false
  end
  local text = table.concat(urls, " ")
  self.held = self.held_list == text and self.held + 1 or 1
  self.held_list = text
  if self.held == 1 then
    self:log("warn", "a source has lost most peers: the list is held back for some looks",
      { "peers", #urls, "before", self.taken and #self.taken or 0, "looks", LOOKS_TO_HOLD })
  end
  if self.held < LOOKS_TO_HOLD then
    return true
  end
  self.held = 0
  return false
end

-- @return whether the list was replaced; or nil, message
function Kept:take(urls)
  local text = table.concat(urls, "\n") .. "\n"
  if text == self.text then
    return false
  end
  local ok, err = core.keep_peers(text, self.group)
  if not ok then
    return nil, err
  end
  local before = self.taken or {}
  self:log("info", "peers", { "peers", #urls, "joined", count_missing(urls, set_of(before)),
    "left", count_missing(before, set_of(urls)) })
  self.text, self.taken = text, urls
  return true
end

-- What a list of the source leads to. @return the seconds until the next look; or nil, message
function Kept:judge(list, seconds, left)
  if type(list) ~= "table" then
    return nil, ("the source returned a %s, and must return a list of URLs"):format(type(list))
  elseif #list == 0 and next(list) ~= nil then
    return nil, "the source returned a table with names, and must return a list of URLs"
  elseif #list > MAX_PEERS then
    return nil, ("the source lists %d peers, and a node has at most %d"):format(#list, MAX_PEERS)
  end
  local urls, has_self = self:clean(list)
  local listed = #urls
  self:add_self(urls, has_self)
  seconds = math.min(math.max(tonumber(seconds) or USUAL_SECONDS, LEAST_SECONDS), MOST_SECONDS)
  if self:hold(urls, listed, left) then
    return math.min(math.max(seconds, LEAST_HELD), MOST_HELD)
  end
  local changed, err = self:take(urls)
  if changed == nil then
    return nil, err
  end
  self:be_first()
  return changed and math.max(seconds, RING_SECONDS) or seconds
end

-- --- looks ---

function Kept:context()
  return { self = self.own, peers = self.taken or {}, wait = self.held > 0 and 0 or WATCH_SECONDS }
end

-- The log has a failure once, until it is another or the source works again.
function Kept:note_failure(what, err)
  err = tostring(err):sub(1, MOST_ERROR)
  self.errors = self.errors + 1
  self.last_error = err
  if self.said[what] ~= err then
    self.said[what] = err
    self:log("warn", ("a source of peers cannot be %s"):format(what), { "error", err })
  end
end

function Kept:note_success(what)
  if self.said[what] then
    self.said[what] = nil
    self:log("info", ("a source of peers can be %s again"):format(what), {})
  end
end

-- Calls a function of the source, which may be the user's own.
-- @return its results; or nil, message
local function call(fn, source, ctx)
  local ok, first, second, third, fourth = pcall(fn, source, ctx)
  if not ok then
    return nil, tostring(first)
  end
  return first, second, third, fourth
end

-- One look. @return the seconds until the next one
function Kept:look()
  self.looks = self.looks + 1
  local list, err, seconds, left = call(self.source.look, self.source, self:context())
  if self.leaving then
    return MOST_SECONDS
  end
  local pause
  if list ~= nil then
    self.last_look = os.time()
    pause, err = self:judge(list, seconds, left)
  end
  if not pause then
    self.held = 0
    self.failures = self.failures + 1
    self:note_failure("read", err or "it returned nothing")
    return jitter(math.min(FIRST_PAUSE * 2 ^ (self.failures - 1), LAST_PAUSE))
  end
  self.failures = 0
  self:note_success "read"
  return pause
end

function Kept:run()
  self:begin()
  self:await_tended()
  while not self.leaving do
    local pause = self:look()
    self.all:tell(self)
    sleep(pause)
  end
end

-- --- this node's own entry ---

function Kept:tend()
  local seconds, err = call(self.source.tend, self.source, self:context())
  if not seconds then
    self:note_failure("told of this node", err or "it returned nothing")
    return jitter(FIRST_PAUSE)
  end
  self:note_success "told of this node"
  return math.max(tonumber(seconds) or USUAL_SECONDS, LEAST_SECONDS)
end

function Kept:run_tend()
  self:begin()
  while not self.leaving do
    local pause = self:tend()
    self.tended = true
    self:wake()
    self.all:tell(self)
    sleep(pause)
  end
end

function Kept:leave()
  self.leaving = true
  if self.source.leave then
    local _, err = call(self.source.leave, self.source, self:context())
    if err then
      self:log("warn", "a source of peers could not be told that this node leaves",
        { "error", err })
    end
  end
end

-- --- waits of one function for another ---

function Kept:wake()
  local waiters = self.waiters
  self.waiters = {}
  for _, signal in ipairs(waiters) do
    core.fire(signal)
  end
end

function Kept:await(is_done)
  while not is_done(self) do
    local signal = core.signal()
    table.insert(self.waiters, signal)
    wait.await(signal, "groupcache.sleep")
  end
end

function Kept:await_tended()
  if self.source.tend then
    self:await(function() return self.tended end)
  end
end

function Kept:await_first()
  self:await(function() return self.has_list end)
end

function Kept:be_first()
  if not self.has_list then
    self.has_list = true
    self:wake()
  end
end

-- What is known once the node runs. A list that the same source gave to the script before is kept.
function Kept:begin()
  if self.own then
    return
  end
  self.own = core.node_self()
  if self.goes_on then
    local urls = {}
    for url in core.kept_peers(self.group):gmatch("[^\n]+") do
      urls[#urls + 1] = url
    end
    table.sort(urls)
    if #urls > 0 then
      self.taken, self.text = urls, table.concat(urls, "\n") .. "\n"
      self:be_first()
    end
  end
end

-- --- all lists of a script ---

local All = {}
All.__index = All

function Kept:status()
  return { list = self.group or core.null, source = self.source.name, peers = self.taken
    and #self.taken or 0, looks = self.looks, errors = self.errors,
    last_look = self.last_look or core.null, last_error = self.last_error or core.null,
    held = self.held, self_listed = self.self_listed == true }
end

-- A list whose status is new is encoded; the others have their text from before.
function All:tell(kept)
  kept.told = core.encode(kept:status(), "json", MOST_STATUS)
  local texts = {}
  for _, one in ipairs(self) do
    one.told = one.told or core.encode(one:status(), "json", MOST_STATUS)
    texts[#texts + 1] = one.told
  end
  local json = "[" .. table.concat(texts, ",") .. "]"
  if #json <= MOST_STATUS then
    core.tell_sources(json)
  end
end

function All:farewell()
  local functions, keys = {}, {}
  for i, kept in ipairs(self) do
    if not core.source_goes_on(kept.source.name) then
      functions[i], keys[#keys + 1] = function() kept:leave() end, i
    end
  end
  wait.all(functions, keys)
end

local function define(name, fn, ready_ms, farewell)
  local ok, err = core.background("peers", name, name:sub(1, 250), nil, ready_ms, fn, farewell)
  if not ok then
    error(err, 0)
  end
end

--- Keeps lists once the node runs. To be called while the script is read.
-- @param lists list of { source =, group = nil for the node's list, goes_on = the script before
--   this one had the source }
-- @param given { ready_ms = how long the node waits for first lists before it is ready,
--   any_scheme = whether URLs of one peer may differ in their schemes }
function keeper.keep(lists, given)
  local all = setmetatable({}, All)
  for i, list in ipairs(lists) do
    local kept = setmetatable({ source = list.source, group = list.group, goes_on = list.goes_on,
      any_scheme = given.any_scheme, all = all, looks = 0, errors = 0, failures = 0, held = 0,
      left_out = {}, said = {}, waiters = {} }, Kept)
    local of = (list.group and ("peers of %q: "):format(list.group) or "peers: ")
      .. list.source.name
    all[i] = kept
    define(of, function() kept:run() end)
    define(of .. " (the first list)", function() kept:await_first() end, given.ready_ms)
    if list.source.tend then
      define(of .. " (this node)", function() kept:run_tend() end)
    end
  end
  define("peers: farewell", function() all:farewell() end, nil, true)
end

return keeper
