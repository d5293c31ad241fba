-- SPDX-License-Identifier: MIT

--- A group whose loaders are this spec: it holds every load until it is told how it ends.
--
--   local engine = require "unit.engine"
--   local g = engine.group { timeout_ms = 100, hot = engine.C.HOT_ALWAYS, owner = fn(key) -> bool }
--   local t = g:get("key")            a client's request; g:get("key", true) a peer's
--   g.loads                           what the loaders were handed and still hold, in order:
--                                     { key=, kind="local"|"remote", flight=, from_peer= }
--   g.started                         the same, everything ever handed over
--   g:finish(load, "value", expires)  ends a load (or g:fail(load, "GETTER"), g:fallback(load))
--   t.wakes, t.value, t.source, t.code, t.text
--   g.on_load(load)                   if set: called instead of being held
--   g:ended()                         gives up the group; raises when anything was left over
--
-- A ticket's `wakes` is how often it was answered: 0 while it waits, 1 ever after. Values are
-- copied as they come. Everything runs on one thread, callbacks included, so the JIT is off.

jit.off(true, true)

local expires_ms = require "unit.expires_ms"
local ffi = require "ffi"
local key_ref = require "unit.key_ref"
local unit = require "support.unit"

local C = unit.load("cache/group.h", "cache/reader.h", "cache/lru.h", "cache/group_many.h",
  "base/clock.h", "base/mem.h", "script/backlog.h")

local engine = { C = C }

local groups, last_id = {}, 0 -- id -> group: the loader's ctx is the id
local waiting = {} -- address of a waiter -> ticket
local peers = 0 -- references to owners handed out and not taken back
local troubles = {} -- errors in callbacks, which must not pass through C

local function address(pointer)
  return tonumber(ffi.cast("uintptr_t", pointer))
end

local function guarded(fn)
  return function(...)
    local results = { pcall(fn, ...) }
    if not results[1] then
      troubles[#troubles + 1] = tostring(results[2])
    end
    return results[2]
  end
end

local function item_value(it)
  return ffi.string(C.item_value(it), it.value_len)
end

local function answer(ticket, r)
  ticket.wakes = ticket.wakes + 1
  if r.item ~= nil then
    ticket.value = item_value(r.item)
    ticket.source = ffi.string(C.source_name(r.source))
  else
    ticket.code = ffi.string(C.err_name(r.err.code))
    ticket.text = ffi.string(r.err.msg)
  end
end

local on_wake = ffi.cast("void (*)(struct waiter *, const struct result *)",
  guarded(function(w, r)
    local ticket = waiting[address(w)]
    answer(ticket, r)
    if ticket.on_wake then
      ticket:on_wake()
    end
  end))

local function handed(ctx, flight, kind, peer)
  local g = groups[address(ctx)]
  local load = { kind = kind, flight = flight, key = ffi.string(flight.key, flight.key_len),
    from_peer = flight.from_peer ~= 0, peer = peer }
  g.started[#g.started + 1] = load
  if g.on_load then
    g.on_load(load)
  else
    g.loads[#g.loads + 1] = load
  end
end

local template = ffi.new "struct loader"
template.owner = ffi.cast("struct peer *(*)(void *, const void *, size_t)",
  function(ctx, key, key_len)
    local ok, remote = pcall(groups[address(ctx)].owner, ffi.string(key, key_len))
    if not ok then
      troubles[#troubles + 1] = tostring(remote)
    elseif remote then
      peers = peers + 1
      return ffi.cast("struct peer *", 1)
    end
    return nil
  end)
template.disown = guarded(function()
  peers = peers - 1
end)
-- load.peer is the peer of group_load_elsewhere(), whose reference is the spec's.
template.remote = guarded(function(ctx, flight, peer)
  if address(peer) == 1 then
    peers, peer = peers - 1, nil
  end
  handed(ctx, flight, "remote", peer)
end)
template["local"] = guarded(function(ctx, flight)
  handed(ctx, flight, "local")
end)

local held = {} -- ids of the groups whose loads are held
template.hold = guarded(function(ctx)
  held[#held + 1] = address(ctx)
end)
template.release = guarded(function(ctx)
  local id = table.remove(held)
  if id ~= address(ctx) then
    error "released what was not held"
  end
end)

local methods = {}
methods.__index = methods

--- What a worker takes from a backlog.
-- @return its flights in a list, empty if there is nothing for it
function engine.taken(backlog, taker)
  local head, flights = ffi.new "struct list", {}
  head.prev, head.next = head, head
  if C.backlog_take(backlog, taker, head) == 1 then
    local l = head.next
    while l ~= head do
      flights[#flights + 1] = ffi.cast("struct flight *",
        ffi.cast("char *", l) - ffi.offsetof("struct flight", "queued"))
      l = l.next
    end
  end
  return flights
end

local OWN = { owner = true, name = true }

function engine.group(opts)
  opts = opts or {}
  local o = ffi.new "struct group_opts"
  C.group_opts_init(o)
  for name, value in pairs(opts) do
    if not OWN[name] then
      o[name] = value
    end
  end
  last_id = last_id + 1
  local loader = ffi.new("struct loader", template)
  loader.ctx = ffi.cast("void *", last_id)
  local g = setmetatable({ id = last_id, loads = {}, started = {}, tickets = {} }, methods)
  g.owner = opts.owner or function() return false end
  g.c = C.group_new(opts.name or "spec", "text/plain", o, loader)
  groups[last_id] = g
  return g
end

function engine.hash(key)
  return C.group_hash(key, #key)
end

local function ticket_for(g, key)
  local t = { key = key, wakes = 0, waiter = ffi.new "struct waiter[1]" }
  t.waiter[0].wake = on_wake
  waiting[address(t.waiter)] = t
  g.tickets[#g.tickets + 1] = t
  return t
end

--- A get as the server makes it: look up, then load.
function methods:get(key, from_peer)
  local hash, source = engine.hash(key), ffi.new "enum source[1]"
  local it = C.group_lookup(self.c, key_ref(key, hash), from_peer and 1 or 0, source)
  if it ~= nil then
    local t = { key = key, wakes = 1, hit = true, value = item_value(it) }
    t.source = ffi.string(C.source_name(source[0]))
    C.item_unref(it)
    return t
  end
  return self:load(key, from_peer)
end

--- The second half alone, as for a caller whose lookup was a while ago.
-- @param from optional: the load of a getter that asks, as in g.started
-- @param anew optional: the value that is held is no answer
-- @param trace optional: struct traceparent, lent for the call
function methods:load(key, from_peer, from, anew, trace)
  local t, now = ticket_for(self, key), ffi.new "struct result"
  t.waiter[0].from, t.waiter[0].trace = from and from.flight, trace
  local load = anew and C.group_load_anew or C.group_load
  local hash = engine.hash(key)
  if load(self.c, key_ref(key, hash), from_peer and 1 or 0, t.waiter, now) ~= 0 then
    answer(t, now)
    t.now = true
    if now.item ~= nil then
      C.item_unref(now.item)
    end
  end
  return t
end

--- A thread's reader, of an owner that keeps copies or not. Give it back with C.reader_free()
-- before g:ended().
function methods:reader(copies)
  return C.reader_new(self.c, copies and 1 or 0)
end

local HITS = { [0] = "none", "same", "other" } -- enum hit

--- A get through a reader: ticket, "same" or "other" when it is a hit. A miss is not yet loaded:
-- "none" comes with nothing.
function methods.recall(_, reader, key)
  local found = ffi.new "struct recalled"
  local hit = HITS[tonumber(C.reader_recall(reader, key, #key, found))]
  if hit == "none" then
    return nil, hit
  end
  return { key = key, wakes = 1, hit = true, value = item_value(found.item),
    source = ffi.string(C.source_name(found.source)), place = found.place }, hit
end

local on_many_done = {} -- id -> function
local many_done = ffi.cast("void (*)(void *, struct many *)", guarded(function(ctx)
  on_many_done[address(ctx)]()
end))
local last_many = 0

--- Gets of many keys: an object with `ended` (how often), answers(), cancel() and free(). `keep` is
-- a callback: whether there is room for a value. `max_bytes` bounds all values together.
function methods:many(keys, from_peer, keep, max_bytes)
  local list = ffi.new("struct key[?]", #keys)
  for i, key in ipairs(keys) do
    list[i - 1].bytes, list[i - 1].n = ffi.cast("const char *", key), #key
  end
  last_many = last_many + 1
  local id, m = last_many, { ended = 0 }
  on_many_done[id] = function() m.ended = m.ended + 1 end
  local caller = ffi.new("struct many_caller", { done = many_done, keep = keep,
    max_bytes = max_bytes or 0, ctx = ffi.cast("void *", id) })
  m.c = C.group_many_start(self.c, list, #keys, from_peer and 1 or 0, caller)
  if m.c == nil then
    return nil
  end
  function m.answers()
    local out = {}
    for i = 1, #keys do
      out[i] = { wakes = 0 }
      answer(out[i], C.group_many_result(m.c, i - 1))
    end
    return out
  end
  function m.cancel()
    return C.group_many_cancel(m.c) == 1
  end
  function m.free()
    C.group_many_free(m.c)
  end
  return m
end

--- The same for a thread that blocks: the answers, without code or value those that were late.
function methods:many_wait(keys, timeout_ms)
  local list, out = ffi.new("struct key[?]", #keys), {}
  for i, key in ipairs(keys) do
    list[i - 1].bytes, list[i - 1].n = ffi.cast("const char *", key), #key
  end
  local m = C.group_many_wait(self.c, list, #keys, timeout_ms or 0, 0)
  for i = 1, #keys do
    out[i] = { wakes = 0 }
    answer(out[i], C.group_many_result(m, i - 1))
  end
  C.group_many_free(m)
  return out
end

function methods:cancel(t)
  return C.group_cancel(self.c, t.waiter) == 1
end

function methods:release(load)
  for i, kept in ipairs(self.loads) do
    if kept == load then
      table.remove(self.loads, i)
      return
    end
  end
end

--- Ends a load with a value, as its loader would; with no memory for the item, with NOMEM.
function methods:finish(load, value, ends_ms)
  self:release(load)
  local it = C.item_new(key_ref(load.key, load.flight.hash), value, #value, ends_ms or 0)
  if it == nil then
    C.group_finish_error(load.flight, C.ERR_NOMEM, "no memory")
    return
  end
  local r = ffi.new "struct result"
  r.item = it
  r.source = load.kind == "local" and C.SOURCE_LOCAL or C.SOURCE_PEER
  C.group_finish(load.flight, r)
  C.item_unref(it)
end

function methods:fail(load, code, text)
  self:release(load)
  C.group_finish_error(load.flight, C["ERR_" .. code], "%s", text or "")
end

function methods:fallback(load, ours)
  self:release(load)
  C.group_fallback(load.flight, ours == false and 0 or 1)
end

--- Everything that happened, by name; `main` and `hot` are tables.
function methods:stats()
  local s = ffi.new "struct stats"
  C.group_stats(self.c, s)
  local out = { main = {}, hot = {} }
  for _, name in ipairs { "gets", "cache_hits", "peer_loads", "peer_errors", "loads",
    "loads_deduped", "local_loads", "local_load_errs", "server_requests", "negative_hits",
    "stale_hits", "stale_spared", "hopeless", "refreshes",
    "breaker_open", "breaker_opens", "breaker_refused",
    "expired", "sets", "removes", "flushes", "flights", "waiters",
    "flushed_bytes", "remembered_items", "remembered_bytes" } do
    out[name] = tonumber(s[name])
  end
  for _, which in ipairs { "main", "hot" } do
    for _, name in ipairs { "bytes", "items", "gets", "hits", "evictions" } do
      out[which][name] = tonumber(s[which][name])
    end
  end
  return out
end

--- Puts a value in, for ttl_ms or the group's own time. -> true | nil, message, code
function methods:set(key, value, ttl_ms)
  local e = ffi.new "struct error"
  local ttl = ttl_ms and ffi.new("double[1]", ttl_ms)
  if C.group_set(self.c, key_ref(key), value, #value, ttl, e) ~= 0 then
    return nil, ffi.string(e.msg), ffi.string(C.err_name(e.code))
  end
  return true
end

--- -> whether it was held
function methods:remove(key)
  return C.group_remove(self.c, key_ref(key)) == 1
end

function methods:flush()
  C.group_flush(self.c)
end

--- What is held: value, source, item's milliseconds left; or nil.
function methods:peek(key)
  local source = ffi.new "enum source[1]"
  local it = C.group_peek(self.c, key_ref(key), source)
  if it == nil then
    return nil
  end
  local value, expires = item_value(it), expires_ms(it)
  C.item_unref(it)
  return value, ffi.string(C.source_name(source[0])),
    expires and expires - tonumber(C.clock_ms())
end

function methods:tick()
  C.group_tick(self.c, C.clock_ms())
end

function methods:close()
  C.group_close(self.c)
end

--- Closes, lets the loaders give back what they hold, and checks that nothing is left: no flight,
-- no waiter, no unanswered ticket, none answered twice, no owner's reference.
function methods:ended()
  self:close()
  while self.loads[1] do
    self:fail(self.loads[1], "CLOSED")
  end
  local s = self:stats()
  C.group_unref(self.c)
  groups[self.id] = nil
  local wrong = {}
  for _, t in ipairs(self.tickets) do
    waiting[address(t.waiter)] = nil
    if t.wakes ~= (t.cancelled and 0 or 1) then
      wrong[#wrong + 1] = ("a get of %q was answered %d times"):format(t.key, t.wakes)
    end
  end
  if s.flights ~= 0 or s.waiters ~= 0 then
    wrong[#wrong + 1] = ("%d flights and %d waiters are left"):format(s.flights, s.waiters)
  end
  if peers ~= 0 then
    wrong[#wrong + 1] = ("%d references to owners are left"):format(peers)
  end
  if held[1] then
    wrong[#wrong + 1] = "loads are still held"
    held = {}
  end
  for _, text in ipairs(troubles) do
    wrong[#wrong + 1] = "in a callback: " .. text
  end
  peers, troubles = 0, {}
  if wrong[1] then
    error(table.concat(wrong, "; "), 2)
  end
end

return engine
