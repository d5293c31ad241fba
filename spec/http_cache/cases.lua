-- SPDX-License-Identifier: MIT

--- Cases for suite.lua: all of the public suite http-tests/cache-tests that a shared cache can be
-- asked, under their ids there, and some of our own. They are in cases/, a file a subject.
--
-- A case has a kind:
--   required   the RFCs ask for it
--   optional   the RFCs allow it, and it makes a better cache
--   check      a question that caches answer in one way or the other
--   own        not of the public suite
-- and perhaps
--   fails      why this cache does not pass it; then it must not pass
--   either     the answer hangs on a fraction of a second, and is not looked at

local cases = {}

local SUBJECTS = { "freshness", "storing", "headers", "validation", "stale", "requests", "other",
  "own" }

local write = {}

local function add(kind, fails, id, requests)
  local case = { kind = kind, fails = fails, id = id, requests = requests }
  cases[#cases + 1] = case
  return case
end

for _, kind in ipairs { "required", "optional", "check", "own" } do
  --- write.required(id, request, ...) and so on.
  write[kind] = function(id, ...)
    return add(kind, nil, id, { ... })
  end
end

--- A case that this cache does not pass, and why.
function write.fails(kind, why, id, ...)
  return add(kind, why, id, { ... })
end

--- A question to which this cache answers no, and why.
function write.no(why, id, ...)
  return add("check", why, id, { ... })
end

--- An answer with these headers, then a request that the cache answers, or not.
-- @param who "cached", "not_cached", "etag", "lm"
-- @param o optional: pause, status, text, headers of the first request, second: of the second one
function write.once(kind, id, who, headers, o)
  o = o or {}
  return add(kind, o.fails, id, {
    { res = headers, setup = true, pause = o.pause, headers = o.headers, sent = o.sent,
      status = o.status, text = o.text },
    { type = who, status = o.status, text = o.text, headers = o.second } })
end

--- A Cache-Control, and more headers.
function write.cc(value, more)
  local out = { { "Cache-Control", value } }
  for _, h in ipairs(more or {}) do
    out[#out + 1] = h
  end
  return out
end

--- A request whose answer is fresh for long, and a pause behind it.
-- @param more optional: more headers of the answer
-- @param step optional: more of the request
function write.fresh(more, step)
  step = step or {}
  step.res, step.setup, step.pause = write.cc("max-age=100000", { { "Date", 0 } }), true, true
  for _, h in ipairs(more or {}) do
    step.res[#step.res + 1] = h
  end
  return step
end

--- A request whose answer is stale behind the pause that follows.
function write.becomes_stale(more)
  local step = { res = write.cc("max-age=2", { { "Date", 0 }, { "Template-A", "1" } }),
    setup = true, pause = true }
  for _, h in ipairs(more or {}) do
    step.res[#step.res + 1] = h
  end
  return step
end

write.PAUSE = { pause = true }

for _, subject in ipairs(SUBJECTS) do
  require("http_cache.cases." .. subject)(write)
end

return cases
