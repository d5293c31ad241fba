-- SPDX-License-Identifier: MIT
-- groupcache.pending: gets of a program that have begun, and do not block it. Any event loop can
-- wait for one by its descriptor. cqueues polls the object itself, and copas can receive from it.

local core = require "groupcache.core"

local Pending = {}
Pending.__index = Pending
Pending.__name = "groupcache.pending"

local pending = {}

function Pending:__tostring()
  return ("groupcache.pending(%s)"):format(
    self.n and "ended" or self.raw and (self:done() and "ended" or "waiting") or "closed")
end

-- Keeps the results, so that they are made once.
local function keep(self, ...)
  self.n, self.results = select("#", ...), { ... }
  return ...
end

local function check_open(self, what)
  if not self.raw and not self.n then
    error(("pending:%s: this get is closed"):format(what), 3)
  end
end

--- Whether the get has ended. Does not block.
function Pending:done()
  check_open(self, "done")
  return self.n ~= nil or core.pending_done(self.raw)
end

--- The descriptor, readable from the get's end on, until close().
function Pending:pollfd()
  check_open(self, "pollfd")
  self.raw = self.raw or core.pending_ended()
  if not self.fd then
    local fd, message = core.pending_fd(self.raw)
    if not fd then
      error("pending:pollfd: " .. message, 2)
    end
    self.fd = fd
  end
  return self.fd
end

--- What to poll the descriptor for.
function Pending:events()
  check_open(self, "events")
  return "r"
end

--- The seconds until the caller's own timeout; nil: it gave none.
function Pending:timeout()
  check_open(self, "timeout")
  return not self.n and core.pending_left(self.raw) or nil
end

--- What group:get gives, or group:get_many. Blocks the thread until the get has ended.
-- @return value, nil, source; or nil, message, code; of many keys: values, errors
function Pending:result()
  check_open(self, "result")
  if self.n then
    return unpack(self.results, 1, self.n)
  end
  while not core.pending_done(self.raw) do
    core.pending_wait(self:pollfd(), core.pending_left(self.raw))
  end
  if self.keys then
    return keep(self, core.pending_result(self.raw, self.keys))
  elseif self.unwrap then
    return keep(self, self.unwrap(core.pending_result(self.raw)))
  end
  return keep(self, core.pending_result(self.raw))
end

--- Waits no longer, and gives back the descriptor: take it out of the loop before. The load goes
-- on, for the cache.
function Pending:close()
  local raw, fd = self.raw, self.fd
  self.raw, self.fd = nil, nil
  if fd and package.loaded.cqueues then
    -- Else cqueues takes the next descriptor of that number for this one.
    package.loaded.cqueues.cancel(fd)
  end
  if raw then
    core.pending_close(raw)
  end
end

-- --- as a socket of LuaSocket, for copas.receive() ---

Pending.getfd = Pending.pollfd

function Pending:dirty()
  return self:done()
end

function Pending:settimeout()
  check_open(self, "settimeout")
  return 1
end

--- result(); or nil, "timeout" while the get has not ended.
function Pending:receive()
  if not self:done() then
    return nil, "timeout"
  end
  local value, message, code = self:result()
  if value == nil and message == "timeout" then -- the getter's own word, which copas would wait on
    message = "the getter says: timeout"
  end
  return value, message, code
end

--- A pending get over the engine's.
-- @param unwrap optional: turns the results of the engine into the caller's
function pending.new(raw, unwrap)
  return setmetatable({ raw = raw, unwrap = unwrap }, Pending)
end

--- The same of many keys.
-- @param keys those that the engine was asked for
function pending.many(raw, keys)
  return setmetatable({ raw = raw, keys = keys }, Pending)
end

--- One that has ended with these results.
function pending.ended(...)
  local self = setmetatable({}, Pending)
  keep(self, ...)
  return self
end

--- Whether the caller is a coroutine of cqueues that may yield, so that it need not block.
function pending.can_poll()
  local cqueues = package.loaded.cqueues
  if not cqueues then
    return false
  end
  local _, is_ours = cqueues.running()
  return is_ours and (not coroutine.isyieldable or coroutine.isyieldable())
end

local function closed(self, ...)
  self:close()
  return ...
end

--- Lets the other coroutines of cqueues run until the get has ended.
-- @return its results
function pending.poll(self)
  local poll = package.loaded.cqueues.poll
  while not self:done() do
    poll(self)
  end
  return closed(self, self:result())
end

return pending
