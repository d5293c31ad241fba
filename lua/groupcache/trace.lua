-- SPDX-License-Identifier: MIT
-- groupcache.trace: sends spans to a collector, once a second, in the node's control worker.
--
-- A batch that the collector has no room for, or that cannot be sent, is tried again. Meanwhile
-- other spans wait in the engine, and those that find no room are dropped and counted.

local core = require "groupcache.core"
local http = require "groupcache.http"

local EVERY_MS = 1000
local MOST_A_ROUND = 8  -- batches
local MOST_TRIES = 5
local TIMEOUT = 5
local AGAIN = { [408] = true, [429] = true, [502] = true, [503] = true, [504] = true }

-- A batch on its way: { body, n = spans, tries = so far }.
local function send(endpoint, batch)
  batch.tries = batch.tries + 1
  local res, err = http.request { url = endpoint, method = "POST", body = batch.body,
    headers = { ["Content-Type"] = "application/json" }, timeout = TIMEOUT }
  if res and res.status >= 200 and res.status < 300 then
    core.count_spans(batch.n, 0)
    return true
  end
  local again = (not res or AGAIN[res.status]) and batch.tries < MOST_TRIES
  if not again then
    core.count_spans(0, batch.n)
  end
  return false, again, res and "the collector says " .. res.status or err
end

local function next_batch()
  local body, n = core.take_spans()
  return body and { body = body, n = n, tries = 0 }
end

--- To be called by the VM that becomes the control worker's, as a part of its script.
-- @param given { endpoint = a URL }
return function(given)
  local kept, failing = nil, false
  local function round()
    for _ = 1, MOST_A_ROUND do
      local batch = kept or next_batch()
      kept = nil
      if not batch then
        return
      end
      local fine, again, err = send(given.endpoint, batch)
      if fine == failing then -- it has begun to fail, or works again
        core.log(fine and "info" or "warn", fine and "spans are sent again"
          or "spans cannot be sent", err and "error=" .. core.quote(err) or "", "node")
      end
      failing = not fine
      if not fine then
        kept = again and batch or nil
        return
      end
    end
  end
  assert(core.background("groupcache.trace", "groupcache.trace", "spans", EVERY_MS, nil, round))
  return true
end
