-- SPDX-License-Identifier: MIT
-- groupcache.cli.doctor: groupcached doctor, which looks for faults that no node of a cluster can
-- see by itself. A line a check: ok, warn or fail. Status 1: something fails.

local client = require "groupcache.cli.client"
local explain = require "groupcache.cli.explain"
local json = require "groupcache.cli.json"

local doctor = {}

local STATUS = client.STATUS

-- Keys whose owners are compared: different rings differ in some of them.
local SAMPLES = 16

local LEAST_FDS = 4096

local function noter(options)
  local worst = STATUS.FINE
  return function(level, check, text, ...)
    text = text:format(...)
    if level == "fail" then
      worst = STATUS.FAILED
    end
    if options.json then
      json.print { level = level, check = check, text = text }
    else
      print(("%-4s  %-10s %s"):format(level, check, text))
    end
  end, function() return worst end
end

-- A text that is the same for lists with the same members.
local function members(stats)
  local urls = {}
  for i, peer in ipairs(stats.peers) do
    urls[i] = peer.url
  end
  table.sort(urls)
  return #urls > 0 and table.concat(urls, " ") or "(none)"
end

local function group_names(stats)
  local list = {}
  for name in pairs(stats.groups) do
    list[#list + 1] = client.shown(client.bytes(name))
  end
  table.sort(list)
  return table.concat(list, ", ")
end

-- Compares what `of(node)` gives for all nodes.
local function same(note, nodes, check, what, of)
  local by, values = {}, {}
  for _, n in ipairs(nodes) do
    local value = of(n)
    if not by[value] then
      by[value] = {}
      values[#values + 1] = value
    end
    table.insert(by[value], n.stats.self)
  end
  if #values < 2 then
    note("ok", check, "all nodes have the same %s: %s", what, values[1] or "none")
    return
  end
  for _, value in ipairs(values) do
    note("fail", check, "%s have the %s %s", table.concat(by[value], ", "), what, value)
  end
end

-- A sample of the process's own metrics.
local function metric(text, name)
  return tonumber(text:match("\n" .. name .. " ([%d.]+)\n"))
end

local function check_one(c, note, n)
  local s = n.stats
  if not s.ready then
    note("fail", "ready", "%s is not ready", s.self)
  end
  local out = {}
  for _, peer in ipairs(s.peers) do
    if peer.view == "differs" then
      note("fail", "ring", "%s and %s have different rings: %s", s.self, peer.url,
        client.shown(peer.differs or "?"))
    end
    if not peer.up then
      out[#out + 1] = ("%s (%s)"):format(peer.url, peer.state)
    end
  end
  if #out > 0 then
    note("fail", "peers", "%s sends no loads to %s", s.self, table.concat(out, ", "))
  end
  for _, source in ipairs(s.sources or {}) do
    if type(source.last_error) == "string" then
      note("warn", "sources", "%s asks %s for its peers: %s", s.self, source.source,
        client.shown(source.last_error))
    elseif source.self_listed == false then
      note("fail", "sources", "%s asks %s for its peers, which does not list it", s.self,
        source.source)
    end
  end
  if s.workers.stuck > 0 then
    note("fail", "workers", "%s has %d VMs that are stuck in C functions", s.self, s.workers.stuck)
  end
  if s.unconfirmed > 0 then
    note("warn", "changes", "%s waits for nodes to confirm removals: %d", s.self, s.unconfirmed)
  end
  local answer = c:send { url = n.place .. "/metrics" }
  local text = answer and answer.status == 200 and answer.body or ""
  local most, open = metric(text, "process_max_fds"), metric(text, "process_open_fds")
  if most and most < LEAST_FDS then
    note("warn", "limits", "%s may have %d descriptors; a busy node needs more: ulimit -n", s.self,
      most)
  elseif most and open > 0.8 * most then
    note("fail", "limits", "%s has %d of its %d descriptors open", s.self, open, most)
  end
  local m = s.memory
  if m.resident_bytes > 1.25 * (m.cache_budget_bytes + m.vm_budget_bytes) + 1e8 then
    note("warn", "memory", "%s has %.0f MB, and its caches and VMs may have %.0f MB", s.self,
      m.resident_bytes / 1e6, (m.cache_budget_bytes + m.vm_budget_bytes) / 1e6)
  end
end

local function explained(c, n, group, i)
  return c:view(n.place, client.path("/explain/", client.bytes(group),
    ("doctor %d"):format(i * 7919)))
end

-- A group that has a ring at the first node, or nil.
local function group_with_ring(c, nodes)
  for group in pairs(nodes[1].stats.groups) do
    local seen = explained(c, nodes[1], group, 1)
    if seen and seen.alone == false then
      return group
    end
  end
end

-- Whether all nodes say the same owner of some keys: else their rings differ.
local function check_rings(c, note, nodes)
  local group = group_with_ring(c, nodes)
  if not group then
    note("ok", "ring", "no group has a ring")
    return
  end
  for i = 1, SAMPLES do
    local owners = {}
    for _, n in ipairs(nodes) do
      local seen = explained(c, n, group, i)
      if seen and seen.owner then
        owners[seen.owner] = true
      end
    end
    if next(owners) and next(owners, (next(owners))) then
      note("fail", "ring", "nodes name different owners of one key: hash, dialect, replicas or the "
        .. "list of peers differ")
      return
    end
  end
  note("ok", "ring", "all nodes name the same owners of %d keys", SAMPLES)
end

-- The Date of an answer, in seconds since 1970; nil: none.
local MONTHS = { Jan = 1, Feb = 2, Mar = 3, Apr = 4, May = 5, Jun = 6, Jul = 7, Aug = 8, Sep = 9,
  Oct = 10, Nov = 11, Dec = 12 }
local function date_of(answer)
  local day, month, year, hour, min, sec =
    (answer.headers.date or ""):match "(%d+) (%a+) (%d+) (%d+):(%d+):(%d+)"
  return day and os.time { day = day, month = MONTHS[month], year = year, hour = hour, min = min,
    sec = sec, isdst = false }
end

local function check_clocks(c, note, nodes)
  local first, worst, who
  for _, n in ipairs(nodes) do
    local from = os.time()
    local answer = c:send { url = n.place .. "/healthz" }
    local at = answer and date_of(answer)
    local off = at and at - from
    first = first or off
    if off and math.abs(off - first) > (worst or 2) then
      worst, who = math.abs(off - first), n.stats.self
    end
  end
  if worst then
    note("warn", "clocks", "the clock of %s differs by %d s from %s", who, worst,
      nodes[1].stats.self)
  else
    note("ok", "clocks", "the nodes' clocks agree to 2 s")
  end
end

-- The first node may answer at two addresses.
local function ask_all(c, note, list, first)
  local nodes, heard, lost = { { place = list[1], stats = first } }, { [first.self] = true }, 0
  for i = 2, #list do
    local stats, message = c:view(list[i], "/stats")
    if not stats then
      lost = lost + 1
      note("fail", "reached", "%s: is the node down, or its admin_listen elsewhere?", message)
    elseif not heard[stats.self] then
      heard[stats.self] = true
      nodes[#nodes + 1] = { place = list[i], stats = stats }
    end
  end
  note(lost == 0 and "ok" or "warn", "reached", "%d of %d nodes answer operators", #nodes,
    #nodes + lost)
  return nodes
end

function doctor.doctor(options)
  local note, worst = noter(options)
  local c = client.new(options)
  local list, stats, status = explain.nodes(c)
  if not list then
    note("fail", "reached", "%s", stats)
    return status
  end
  local nodes = ask_all(c, note, list, stats)
  same(note, nodes, "lists", "list of peers", function(n) return members(n.stats) end)
  same(note, nodes, "version", "version", function(n) return n.stats.version end)
  same(note, nodes, "settings", "dialect, hash and replicas", function(n)
    return ("%s %s %d"):format(n.stats.dialect, n.stats.hash, n.stats.replicas)
  end)
  same(note, nodes, "groups", "groups", function(n) return group_names(n.stats) end)
  check_rings(c, note, nodes)
  check_clocks(c, note, nodes)
  for _, n in ipairs(nodes) do
    check_one(c, note, n)
  end
  return worst()
end

return doctor
