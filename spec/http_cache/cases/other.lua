-- SPDX-License-Identifier: MIT

--- Age, Date and Expires of kept answers; queries and cookies; interim answers (1xx).

local MONTH = 30 * 24 * 3600

local function of_dates(t)
  local FULL = { { "Expires", MONTH }, { "Date", 0 } }
  t.required("other-age-gen", t.fresh(), { type = "cached", expect = { { "Age", ">", 2 } } })
  t.check("other-age-delay", { res = t.cc("max-age=3600", { { "Date", 0 } }), wait = 2,
    expect = { { "Age", ">", 0 } } })
  t.required("other-age-update-expires",
    { res = { { "Expires", MONTH }, { "Date", 0 }, { "Age", "30" } }, pause = true, setup = true },
    { type = "cached", expect = { { "Age", ">", 32 } } })
  t.required("other-age-update-max-age", t.fresh { { "Age", "30" } },
    { type = "cached", expect = { { "Age", ">", 32 } } })
  t.required("other-date-update", t.fresh(), { type = "cached", expect = { { "Date", 0 } } })
  t.required("other-date-update-expires", { res = FULL, pause = true, setup = true },
    { type = "cached", expect = { { "Date", 0 } } })
  t.check("other-date-update-expires-update", { res = FULL, pause = true, setup = true },
    { type = "cached", expect = { { "Expires", MONTH } } })
end

local function of_sharing(t)
  t.required("query-args-different", t.fresh({}, { query = "test=1" }),
    { query = "test=2", type = "not_cached" })
  t.optional("query-args-same", t.fresh({}, { query = "test=1" }),
    { query = "test=1", type = "cached" })
  local ATTACHED = { "Content-Disposition", "attachment; filename=example.txt" }
  t.once("check", "other-heuristic-content-disposition-attachment", "cached",
    { { "Last-Modified", -100000 }, { "Date", 0 }, ATTACHED })
  t.check("other-fresh-content-disposition-attachment", t.fresh { ATTACHED }, { type = "cached" })
  t.optional("other-set-cookie", t.fresh { { "Set-Cookie", "a=b" } }, { type = "cached" })
  t.optional("other-cookie", t.fresh(), { headers = { { "Cookie", "a=b" } }, type = "cached" })
end

local function of_interim(t)
  local LINK = { "Link", "</styles.css>; rel=preload; as=style" }
  local HINTS = { { 103, { LINK, { "X-My-Header", "test" } } } }
  local function first(interim, more)
    more = more or {}
    more.interim, more.pause = interim, true
    more.res = t.cc("max-age=100000", { { "Date", 0 } })
    return more
  end
  t.optional("interim-102", first { { 102, {} } }, { type = "cached" })
  t.optional("interim-103", first(HINTS), { type = "cached" })
  t.required("interim-not-cached", first { { 103, { LINK } } }, { type = "cached" })
  t.optional("interim-no-header-reuse", first(HINTS, { missing = { "X-My-Header" } }),
    { type = "cached", missing = { "X-My-Header" } })
end

return function(t)
  of_dates(t)
  of_sharing(t)
  of_interim(t)
end
