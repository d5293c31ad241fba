-- SPDX-License-Identifier: MIT
-- groupcache.cli.look: groupcached ttl and stats, by a node's operators' face.

local client = require "groupcache.cli.client"
local json = require "groupcache.cli.json"

local look = {}

local STATUS = client.STATUS

local function failed(options, message, status)
  if options.json then
    json.print { error = message }
  else
    client.complain(message)
  end
  return status
end

-- Prints the seconds, or "never". Status 1: the node holds no value.
function look.ttl(options, rest)
  local c = client.new(options)
  local admin, message, status = c:admin()
  local seen
  if admin then
    seen, message, status = c:view(admin, client.path("/explain/", rest[1], rest[2]))
  end
  if not seen then
    return failed(options, message, status)
  elseif not seen.known then
    return failed(options, ("the node has no group %q"):format(rest[1]), STATUS.FAILED)
  elseif seen.held ~= "main" and seen.held ~= "hot" then
    local why = { stale = "its value has expired", negative = "it is kept that it has no value" }
    return failed(options, ("%s: %s"):format(client.shown(rest[2]),
      why[seen.held] or "the node holds no value of it"), STATUS.FAILED)
  end
  local left = seen.expires_in_ms and seen.expires_in_ms / 1000
  if options.json then
    json.print { group = rest[1], key = rest[2], ttl = left, age = seen.age_s, held = seen.held }
  else
    print(left and ("%.3f"):format(left) or "never")
  end
  return STATUS.FINE
end

-- Lines of "name value", the names of members joined by points.
local function put_lines(start, value)
  if type(value) ~= "table" then
    io.stdout:write(client.shown(start), " ", client.shown(client.bytes(tostring(value))), "\n")
    return
  end
  local names = {}
  for name in pairs(value) do
    names[#names + 1] = name
  end
  table.sort(names, function(a, b)
    if type(a) == "number" and type(b) == "number" then
      return a < b
    end
    return tostring(a) < tostring(b)
  end)
  for _, name in ipairs(names) do
    put_lines((start == "" and "" or start .. ".") .. client.bytes(tostring(name)), value[name])
  end
end

function look.stats(options, rest)
  local admin, stats, status = client.new(options):admin()
  if not admin then
    return failed(options, stats, status)
  end
  local chosen = stats
  if rest[1] then
    chosen = nil
    for name, group in pairs(stats.groups) do
      chosen = client.bytes(name) == rest[1] and group or chosen
    end
    if not chosen then
      return failed(options, ("the node has no group %q"):format(rest[1]), STATUS.FAILED)
    end
  end
  if options.json then
    json.print(chosen)
  else
    put_lines("", chosen)
  end
  return STATUS.FINE
end

return look
