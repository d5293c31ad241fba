-- SPDX-License-Identifier: MIT
-- groupcache.cli.bench: groupcached bench, which asks a node for keys as fast as some clients can,
-- and says how long the answers took.

local client = require "groupcache.cli.client"
local core = require "groupcache.core"
local json = require "groupcache.cli.json"
local terminal = require "groupcache.cli.terminal"
local sorted = require "groupcache.sorted"

local bench = {}

local STATUS = client.STATUS

-- Times are counted in buckets, each wider than the last by a tenth: from 1 us to minutes.
local STEP = math.log(1.1)

local function bucket_of(seconds)
  return math.max(0, math.ceil(math.log(seconds * 1e6) / STEP))
end

-- The upper bound of a bucket in milliseconds.
local function bound(bucket)
  return math.exp(bucket * STEP) / 1000
end

local function new_tally()
  return { n = 0, bytes = 0, failed = 0, missing = 0, seconds = 0, slowest = 0, buckets = {},
    sources = {}, errors = {} }
end

local function count(t, seconds, answer, message)
  t.n, t.slowest = t.n + 1, math.max(t.slowest, seconds)
  local bucket = bucket_of(seconds)
  t.buckets[bucket] = (t.buckets[bucket] or 0) + 1
  if answer and answer.status == 200 then
    local source = answer.headers["x-cache"] or "?"
    t.sources[source] = (t.sources[source] or 0) + 1
    t.bytes = t.bytes + #answer.body
  elseif answer and answer.status == 404 and client.words_of(answer):find "not found" then
    t.missing = t.missing + 1
  else
    local text = answer and (client.words_of(answer)) or message
    t.failed = t.failed + 1
    t.errors[text] = (t.errors[text] or 0) + 1
  end
end

-- The time in ms within which so large a part of the answers came.
local function within(t, part)
  local seen = 0
  for _, bucket in ipairs(sorted(t.buckets)) do
    seen = seen + t.buckets[bucket]
    if seen >= part * t.n then
      return math.min(bound(bucket), t.slowest * 1000)
    end
  end
end

-- Asks until the time is over, and takes the answers that are under way then.
local function ask(options, group, prefix)
  local c, t = client.new(options), new_tally()
  local url = options.node:gsub("/+$", "") .. client.path("/cache/", group) .. "/"
  local from = core.now()
  local until_, told = from + options.seconds, from
  local progress = terminal.is(2) and not options.json
  local function begin()
    c:begin { url = url .. core.escape(prefix .. math.random(options.keys)) }
  end
  for _ = 1, options.clients do
    begin()
  end
  while true do
    local id, seconds, answer, message = c:next()
    if not id then
      break
    end
    count(t, seconds, answer, message)
    local now = core.now()
    if now < until_ then
      begin()
    end
    if progress and now > told + 0.5 then
      told = now
      io.stderr:write(("\r%.0f of %d s, %d gets, %d failed\27[K"):format(now - from,
        options.seconds, t.n, t.failed))
    end
  end
  if progress then
    io.stderr:write "\r\27[K"
  end
  t.seconds = core.now() - from
  return t
end

local PARTS = { { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 }, { "p999", 0.999 } }

local function result_of(t)
  local ms = { max = t.slowest * 1000 }
  for _, part in ipairs(PARTS) do
    ms[part[1]] = within(t, part[2])
  end
  return { gets = t.n, seconds = t.seconds, rate = t.n / t.seconds, bytes = t.bytes, ms = ms,
    sources = t.sources, missing = t.missing, failed = t.failed, errors = t.errors }
end

-- Lines of a histogram: a bucket is a factor of two and a bit wide.
local function put_histogram(t)
  local WIDE, bars, most = 8, {}, 0
  local first, last
  for _, bucket in ipairs(sorted(t.buckets)) do
    local bar = math.floor(bucket / WIDE)
    bars[bar] = (bars[bar] or 0) + t.buckets[bucket]
    most, first, last = math.max(most, bars[bar]), first or bar, bar
  end
  for bar = first, last do
    local n = bars[bar] or 0
    print(("  up to %9.3f ms %9d  %s"):format(bound((bar + 1) * WIDE - 1), n,
      ("#"):rep(math.ceil(n / most * 40))))
  end
end

local function put_text(t, r)
  print(("%d gets in %.1f s: %.0f a second, %.1f MB"):format(r.gets, r.seconds, r.rate,
    r.bytes / 1e6))
  print(("  half within %.3f ms, 90 in 100 %.3f, 99 in 100 %.3f, 999 in 1000 %.3f, all %.3f")
    :format(r.ms.p50, r.ms.p90, r.ms.p99, r.ms.p999, r.ms.max))
  put_histogram(t)
  for _, source in ipairs(sorted(r.sources)) do
    print(("  from %-6s %9d"):format(source, r.sources[source]))
  end
  if r.missing > 0 then
    print(("  not found  %9d"):format(r.missing))
  end
  for text, n in pairs(r.errors) do
    print(("  failed     %9d  %s"):format(n, client.shown(text)))
  end
end

function bench.bench(options, rest)
  local probe, message = client.new(options):send { url = options.node:gsub("/+$", "")
    .. "/healthz" }
  if not probe then
    client.complain(message)
    return STATUS.AWAY
  end
  local t = ask(options, rest[1], rest[2] or "")
  local result = result_of(t)
  if options.json then
    json.print(result)
  else
    put_text(t, result)
  end
  return t.failed > 0 and STATUS.FAILED or STATUS.FINE
end

return bench
