-- SPDX-License-Identifier: MIT
-- groupcache.cli.explain: groupcached explain, which asks every node of the list about a key.
--
-- The nodes' operators' addresses come from /peers/http_sd of the node that is asked first.

local client = require "groupcache.cli.client"
local json = require "groupcache.cli.json"

local explain = {}

local STATUS = client.STATUS

--- The operators' addresses of all nodes, the asked one first.
-- @return list of URLs, the /stats of the first; or nil, message, the exit status
function explain.nodes(c)
  local admin, stats, failed = c:admin()
  if not admin then
    return nil, stats, failed
  end
  local seen, message, status = c:view(admin, "/peers/http_sd")
  if not seen then
    return nil, message, status
  end
  -- The asked node is there under the host of its own URL, which may be none to ask: "[::]".
  local host = stats.self:match "^%a+://(%b[])" or stats.self:match "^%a+://([^:/]+)"
  local own = (host or "") .. (admin:match ":%d+$" or "")
  local scheme, list = admin:match "^(%a+://)", { admin }
  for _, entry in ipairs(seen) do
    for _, target in ipairs(entry.targets or {}) do
      if scheme .. target ~= admin and target ~= own then
        list[#list + 1] = scheme .. target
      end
    end
  end
  return list, stats
end

local HELD = { main = "main", hot = "hot: a copy", stale = "expired",
  negative = "that it has no value" }

local function say(seen)
  if not seen.known then
    return "no such group"
  end
  local parts = { "held: " .. (HELD[seen.held] or "no") }
  if seen.held then
    parts[#parts + 1] = ("%d bytes"):format(seen.value_bytes)
    parts[#parts + 1] = ("age %d s"):format(seen.age_s)
    parts[#parts + 1] = seen.expires_in_ms and ("expires in %.0f s"):format(
      seen.expires_in_ms / 1000) or seen.held ~= "stale" and "never expires" or nil
  end
  if seen.loading then
    parts[#parts + 1] = ("being loaded, %d wait"):format(seen.waiters)
  end
  if seen.asked ~= seen.owner then
    parts[#parts + 1] = "asks " .. seen.asked .. ", since the owner is out of use"
  end
  return table.concat(parts, ", ")
end

-- Whether the nodes name several owners. A node without peers in the group owns all of its keys.
local function disagree(result)
  local has_ring = false
  for _, seen in ipairs(result.nodes) do
    has_ring = has_ring or seen.alone == false
  end
  return has_ring and #result.owners > 1
end

local function put_text(result)
  print("owner: " .. table.concat(result.owners, ", "))
  if disagree(result) then
    print "the nodes do not agree: their lists of peers or their rings differ"
  elseif #result.owners > 1 then
    print "each node owns all keys of the group: it is local_only, or has no peers"
  end
  for _, seen in ipairs(result.nodes) do
    print(("  %s%s  %s"):format(seen.node or seen.asked_at,
      seen.node and seen.node == seen.owner and " (owner)" or "",
      seen.error and "no answer: " .. seen.error or client.shown(say(seen))))
  end
end

-- Fills in the nodes and the owners. The node that was asked first may answer at two addresses.
-- @return how many did not answer, or do not know the group
local function ask(c, list, result)
  local known, heard, failures = {}, {}, 0
  for _, place in ipairs(list) do
    local seen, err = c:view(place, client.path("/explain/", result.group, result.key))
    if not (seen and heard[seen.node]) then
      table.insert(result.nodes, seen or { asked_at = place, error = err })
      failures = failures + (seen and seen.known and 0 or 1)
    end
    if seen then
      heard[seen.node], seen.group, seen.key = true, nil, nil
    end
    if seen and seen.owner and not known[seen.owner] then
      known[seen.owner] = true
      table.insert(result.owners, seen.owner)
    end
  end
  return failures
end

--- What each node says of a key. Status 1: the nodes do not agree, or some did not answer.
function explain.explain(options, rest)
  local c = client.new(options)
  local list, message, status = explain.nodes(c)
  if not list then
    client.complain(message)
    return status
  end
  local result = { group = rest[1], key = rest[2], nodes = {}, owners = {} }
  local failures = ask(c, list, result)
  if options.json then
    json.print(result)
  else
    put_text(result)
  end
  return (failures > 0 or disagree(result)) and STATUS.FAILED or STATUS.FINE
end

return explain
