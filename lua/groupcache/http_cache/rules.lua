-- SPDX-License-Identifier: MIT
-- What RFC 9111 says of an answer: whether a shared cache may keep it, how old it is, how long it
-- is fresh. Pure functions; times are Unix seconds, headers are lists (headers.lua).

local core = require "groupcache.core"
local directives = require "groupcache.http_cache.directives"
local headers = require "groupcache.http_cache.headers"

local rules = {}

-- RFC 9110, 15.1, without 206: parts are not kept.
local HEURISTIC = { [200] = true, [203] = true, [204] = true, [300] = true, [301] = true,
  [308] = true, [404] = true, [405] = true, [410] = true, [414] = true, [501] = true }

-- Statuses that this cache understands (RFC 9111, 5.2.2.3).
local UNDERSTOOD = { [200] = true, [203] = true, [204] = true, [300] = true, [301] = true,
  [302] = true, [303] = true, [307] = true, [308] = true, [400] = true, [401] = true,
  [403] = true, [404] = true, [405] = true, [410] = true, [414] = true, [451] = true,
  [500] = true, [501] = true, [502] = true, [503] = true, [504] = true }

-- A header that may have one value only: the first of its lines.
local function single(list, name)
  for _, h in ipairs(list) do
    if h[1] == name then
      return h[2]
    end
  end
end

local function date(list, name)
  local text = single(list, name)
  return text and core.http_date(text)
end

--- The directives that count for this cache: those of a sound CDN-Cache-Control, else those of
-- Cache-Control.
-- @return directives, whether they are of CDN-Cache-Control
function rules.control(list)
  local targeted = headers.get(list, "cdn-cache-control")
  local found = targeted and directives.parse_structured(targeted)
  if found then
    return found, true
  end
  return directives.parse(headers.get(list, "cache-control") or ""), false
end

--- The age of an answer as it arrives (RFC 9111, 4.2.3).
-- The first number of a list counts, also before a parameter. Any other text is ignored (5.1).
-- @param asked_s, now_s when it was asked for, and when it arrived
function rules.age(list, asked_s, now_s)
  local text, behind = (single(list, "age") or ""):match "^(%d+)[ \t]*(.?)"
  local told = (behind == "" or behind == "," or behind == ";") and directives.seconds(text) or 0
  local age = told + (now_s - asked_s)
  local made = date(list, "date")
  return math.max(made and now_s - made or 0, age, 0)
end

-- The share of its time without a change for which an answer is taken for fresh.
local function heuristic(status, list, control, now_s, o)
  local modified = date(list, "last-modified")
  if not modified or not (HEURISTIC[status] or control.public) then
    return 0
  end
  local made = date(list, "date") or now_s
  return math.max(0, math.min((made - modified) * o.heuristic, o.heuristic_max))
end

-- The seconds of a directive; those that are no number are 0: the answer is stale.
local function of(control, name)
  return control[name] ~= nil and (directives.seconds(control[name]) or 0) or nil
end

--- How long an answer is fresh, from the time on at which it was made (RFC 9111, 4.2.1).
-- @return seconds, whether the origin has said so
function rules.lifetime(status, list, control, targeted, now_s, o)
  local told = of(control, "s-maxage") or of(control, "max-age")
  if told then
    return told, true
  end
  local expires = not targeted and single(list, "expires")
  if expires then
    local ends = core.http_date(expires)
    return ends and math.max(0, ends - (date(list, "date") or now_s)) or 0, true
  end
  return heuristic(status, list, control, now_s, o), false
end

--- Whether a shared cache may keep an answer (RFC 9111, 3).
-- @param authorized whether its request had an Authorization
function rules.may_store(status, list, control, told, authorized)
  if status < 200 or status == 206 or status == 304 then
    return false
  end
  local understood = control["must-understand"] and UNDERSTOOD[status]
  if control["must-understand"] and not understood then
    return false
  end
  if (control["no-store"] and not understood) or control.private == true then
    return false
  end
  if authorized and not (control.public or control["must-revalidate"] or control["s-maxage"]) then
    return false
  end
  if (headers.get(list, "vary") or ""):find("*", 1, true) then
    return false
  end
  return told or control.public ~= nil or control["no-cache"] ~= nil or HEURISTIC[status] or false
end

--- All that is known of an answer.
-- @param answer { status =, headers = list }
-- @param asked { authorized =, asked_s =, now_s = }
-- @param o { heuristic =, heuristic_max =, keep =, stale_while_revalidate =, stale_if_error = }
-- @return { store =, life =, age =, keep =, swr =, sie = (nil: the origin does not say), check =,
--   strict =, once = { names of headers for the one request } }, in seconds
function rules.judge(answer, asked, o)
  local list = answer.headers
  local control, targeted = rules.control(list)
  local life, told = rules.lifetime(answer.status, list, control, targeted, asked.now_s, o)
  local fact = {
    life = life,
    age = rules.age(list, asked.asked_s, asked.now_s),
    swr = of(control, "stale-while-revalidate") or o.stale_while_revalidate,
    sie = of(control, "stale-if-error"),
    check = control["no-cache"] == true,
    strict = (control["must-revalidate"] or control["proxy-revalidate"] or control["s-maxage"])
      and true or false,
    once = {},
  }
  for _, name in ipairs { "no-cache", "private" } do
    if type(control[name]) == "string" then
      for _, header in ipairs(directives.names(control[name])) do
        fact.once[header] = true
      end
    end
  end
  fact.keep = math.max(o.keep, fact.swr, fact.sie or 0)
  local checkable = headers.get(list, "etag") or headers.get(list, "last-modified")
  local of_use = checkable or life > 0 or fact.swr > 0 or (fact.sie or 0) > 0
  fact.store = rules.may_store(answer.status, list, control, told, asked.authorized)
    and of_use and life - fact.age + fact.keep > 0 and true or false
  return fact
end

--- Whether a stale answer may stand in for an error (RFC 9111, 4.2.4; RFC 5861, 4).
-- @param fact of judge(), or what is left of it: { strict =, check =, sie =, stale_s = }
-- @param disconnected whether the origin has given no answer at all
-- @param asked_sie the request's stale-if-error, or nil
function rules.may_stand_in(fact, disconnected, asked_sie, o)
  if fact.strict or fact.check then
    return false
  end
  local window = fact.sie or asked_sie or o.stale_if_error
  if disconnected and not fact.sie and not asked_sie then
    window = math.max(window, o.keep)
  end
  return fact.stale_s < window
end

return rules
