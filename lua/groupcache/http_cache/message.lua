-- SPDX-License-Identifier: MIT
-- An answer of an origin as the value of a key: src/wire/httpmsg.h says how it is written. Pure
-- functions.

local core = require "groupcache.core"
local headers = require "groupcache.http_cache.headers"

local message = {}

-- The header in which a node tells others what proxies have said to it: web_key() of http/web.h.
message.KEYED = "x-groupcache-keyed"

local function ms(seconds)
  return ("%.0f"):format(math.max(0, math.floor(seconds * 1000)))
end

--- Writes a value.
-- @param answer { status =, headers = list, body =, interim = optional text }
-- @param fact of rules.judge()
-- @param at { id =, epoch =, vary = { { name, value of the request }, ... } }
-- @return value, its ttl in seconds; 0: it may not be kept
function message.write(answer, fact, at)
  local flags = (fact.check and "C" or "") .. (fact.strict and "R" or "")
    .. (fact.store and "" or "N")
  local lines = { ("HTTP/1.1 %03d "):format(answer.status),
    ("x-groupcache: life=%s keep=%s swr=%s sie=%s flags=%s id=%s epoch=%s%s"):format(ms(fact.life),
      ms(fact.keep), ms(fact.swr), fact.sie and ms(fact.sie) or "-", flags == "" and "-" or flags,
      at.id, at.epoch, answer.interim and " interim=" .. core.escape(answer.interim) or "") }
  for _, h in ipairs(at.vary) do
    lines[#lines + 1] = "x-groupcache-vary: " .. h[1] .. ":" .. h[2]
  end
  for _, h in ipairs(answer.headers) do
    lines[#lines + 1] = (fact.store and fact.once[h[1]] and "x-groupcache-once: " or "")
      .. h[1] .. ": " .. h[2]
  end
  lines[#lines + 1] = ""
  lines[#lines + 1] = answer.body
  return table.concat(lines, "\r\n"), fact.store and fact.life - fact.age + fact.keep or 0
end

--- Reads a value.
-- @return { status =, headers = list, body =, life =, keep =, sie =, check =, strict =, epoch =,
--   vary = list }; or nil
function message.read(bytes)
  local status, ours, at = bytes:match "^HTTP/1%.1 (%d%d%d) \r\nx%-groupcache: ([^\r\n]*)\r\n()"
  if not status then
    return nil
  end
  local out = { status = tonumber(status), headers = {}, vary = {}, ours = ours }
  while bytes:sub(at, at + 1) ~= "\r\n" do
    local name, value, behind = bytes:match("^([^:\r\n]+): ([^\r\n]*)\r\n()", at)
    if not name then
      return nil
    elseif name == "x-groupcache-vary" then
      local of, was = value:match "^([^:]+):(.*)$"
      out.vary[#out.vary + 1] = { of, was }
    elseif name ~= "x-groupcache-once" then
      out.headers[#out.headers + 1] = { name, value }
    end
    at = behind
  end
  out.body = bytes:sub(at + 2)
  local flags = ours:match "flags=(%S+)" or ""
  out.check = flags:find "C" ~= nil
  out.strict = flags:find "R" ~= nil
  out.life = (tonumber(ours:match "life=(%d+)") or 0) / 1000
  out.keep = (tonumber(ours:match "keep=(%d+)") or 0) / 1000
  out.sie = ours:match "sie=%d" and tonumber(ours:match "sie=(%d+)") / 1000 or nil
  out.epoch = ours:match "epoch=(%x+)"
  return out
end

--- The values of a request that a Vary names.
-- @return list of { name, value }
function message.vary(answer_headers, request_headers)
  local out, seen = {}, {}
  for name in (headers.get(answer_headers, "vary") or ""):lower():gmatch "[^%s,]+" do
    if not seen[name] then
      seen[name] = true
      out[#out + 1] = { name, headers.get(request_headers, name) or "" }
    end
  end
  local keyed = headers.get(request_headers, message.KEYED)
  out[#out + 1] = keyed and { message.KEYED, keyed } or nil
  return out
end

--- Whether a kept message is of the same variant as a request.
function message.is_of(kept, request_headers)
  local keyed = headers.get(request_headers, message.KEYED)
  for _, h in ipairs(kept.vary) do
    keyed = h[1] ~= message.KEYED and keyed or nil
    if (headers.get(request_headers, h[1]) or "") ~= h[2] then
      return false
    end
  end
  return not keyed
end

return message
