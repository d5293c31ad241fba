-- SPDX-License-Identifier: MIT
-- groupcache.cli.top: groupcached top, a live view of a node. Without a terminal it prints a plain
-- table for each look; with --json an object.

local client = require "groupcache.cli.client"
local core = require "groupcache.core"
local json = require "groupcache.cli.json"
local terminal = require "groupcache.cli.terminal"

local top = {}

local STATUS = client.STATUS

local BOLD, REVERSE, RED = "\27[1m", "\27[7m", "\27[31m"

local function rate(now, before, name, seconds)
  if not before or seconds <= 0 or now[name] < before[name] then
    return nil
  end
  return (now[name] - before[name]) / seconds
end

local function number(n)
  if not n then
    return "-"
  end
  return n >= 100 and ("%.0f"):format(n) or ("%.1f"):format(n)
end

local function size(n)
  for _, unit in ipairs { "B", "KB", "MB", "GB" } do
    if n < 1000 or unit == "GB" then
      return ("%.3g %s"):format(n, unit)
    end
    n = n / 1000
  end
end

-- The figures of a look: what is shown, and what --json prints.
local function figures(stats, before, seconds)
  local groups = setmetatable({}, json.LIST)
  for name, g in pairs(stats.groups) do
    local was = before and before.groups[name]
    local gets, hits = rate(g, was, "gets", seconds), rate(g, was, "cache_hits", seconds)
    groups[#groups + 1] = { name = client.bytes(name), gets = gets,
      hit_ratio = gets and gets > 0 and hits / gets or g.gets > 0 and g.cache_hits / g.gets or nil,
      getter = rate(g, was, "local_loads", seconds), peer = rate(g, was, "peer_loads", seconds),
      failed = rate(g, was, "local_load_errs", seconds), bytes = g.main.bytes + g.hot.bytes,
      waiters = g.waiters }
  end
  table.sort(groups, function(a, b)
    if (a.gets or 0) ~= (b.gets or 0) then
      return (a.gets or 0) > (b.gets or 0)
    end
    return a.name < b.name
  end)
  return groups
end

local function popular(recent)
  local list = setmetatable({}, json.LIST)
  for name, group in pairs(recent.groups) do
    for _, key in ipairs(group.popular) do
      list[#list + 1] = { group = client.bytes(name), key = client.bytes(key.key),
        gets_a_minute = key.gets_a_minute }
    end
  end
  table.sort(list, function(a, b)
    if a.gets_a_minute ~= b.gets_a_minute then
      return a.gets_a_minute > b.gets_a_minute
    end
    return a.key < b.key
  end)
  return list
end

local function head(lines, stats)
  lines[#lines + 1] = { style = BOLD, text = ("%s  %s  version %s  up %.0f s"):format(stats.self,
    stats.ready and "ready" or "NOT READY", stats.version, stats.uptime_ms / 1000) }
  lines[#lines + 1] = { text = ("memory %s of %s  connections %d  VMs %d  loads %d, not begun %d")
    :format(size(stats.memory.resident_bytes),
      size(stats.memory.cache_budget_bytes + stats.memory.vm_budget_bytes),
      stats.http.connections, stats.workers.vms, stats.workers.loads, stats.workers.queued) }
  for _, peer in ipairs(stats.peers) do
    if not peer.up then
      lines[#lines + 1] = { style = RED, text = ("%s is %s: no loads are sent to it"):format(
        peer.url, peer.state) }
    end
  end
end

local function draw(stats, groups, keys, room)
  local lines = {}
  head(lines, stats)
  lines[#lines + 1] = { text = "" }
  lines[#lines + 1] = { style = REVERSE, text = ("%-24s %8s %6s %8s %8s %8s %10s %7s"):format(
    "GROUP", "GETS/S", "HITS", "GETTER/S", "PEER/S", "NONE/S", "MEMORY", "WAIT") }
  local most = math.max(3, math.floor((room - #lines - 2) / 2))
  for i = 1, math.min(#groups, most) do
    local g = groups[i]
    lines[#lines + 1] = { text = ("%-24s %8s %6s %8s %8s %8s %10s %7d"):format(
      client.shown(g.name):sub(1, 24), number(g.gets),
      g.hit_ratio and ("%.0f%%"):format(100 * g.hit_ratio) or "-", number(g.getter), number(g.peer),
      number(g.failed), size(g.bytes), g.waiters) }
  end
  lines[#lines + 1] = { text = "" }
  lines[#lines + 1] = { style = REVERSE, text = ("%-24s %-42s %12s"):format("GROUP", "POPULAR KEY",
    "GETS/MIN") }
  for i = 1, math.min(#keys, room - #lines) do
    local k = keys[i]
    lines[#lines + 1] = { text = ("%-24s %-42s %12d"):format(client.shown(k.group):sub(1, 24),
      client.shown(k.key):sub(1, 42), k.gets_a_minute) }
  end
  return lines
end

-- One look after the other, until `show` says that it is enough, or there is no answer.
local function watch(c, admin, show)
  local before, at
  while true do
    local stats, message, status = c:view(admin, "/stats")
    local recent
    if stats then
      recent, message, status = c:view(admin, "/recent")
    end
    if not recent then
      return status, message
    end
    local now = core.now()
    local same = before and before.pid == stats.pid
    local groups = figures(stats, same and before, at and now - at or 0)
    before, at = stats, now
    if not show(stats, groups, popular(recent)) then
      return STATUS.FINE
    end
  end
end

-- Waits without a terminal.
local function pause(seconds)
  local ffi = require "ffi"
  ffi.C.gc_poll(nil, 0, math.floor(seconds * 1000))
end

local function on_terminal(options, c, admin)
  local looks = 0
  terminal.open()
  local ok, status, message = pcall(watch, c, admin, function(stats, groups, keys)
    looks = looks + 1
    terminal.draw(draw(stats, groups, keys, (terminal.size())))
    local key = terminal.key(options.interval)
    return key ~= "q" and key ~= "\3" and looks ~= options.count
  end)
  terminal.close()
  if not ok then
    error(status, 0)
  end
  return status, message
end

local function in_lines(options, c, admin)
  local looks = 0
  return watch(c, admin, function(stats, groups, keys)
    looks = looks + 1
    if options.json then
      json.print { node = stats.self, ready = stats.ready, groups = groups, popular = keys }
    else
      for _, line in ipairs(draw(stats, groups, keys, 60)) do
        print((line.text:gsub(" +$", "")))
      end
    end
    io.stdout:flush()
    if looks == options.count then
      return false
    end
    pause(options.interval)
    return true
  end)
end

function top.top(options)
  local c = client.new(options)
  local admin, message, status = c:admin()
  if admin then
    local live = not options.json and terminal.is(0) and terminal.is(1)
    status, message = (live and on_terminal or in_lines)(options, c, admin)
  end
  if message and type(message) == "string" then
    client.complain(message)
  end
  return status
end

return top
