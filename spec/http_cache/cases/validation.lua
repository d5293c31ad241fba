-- SPDX-License-Identifier: MIT

--- Conditional requests: of clients to the cache, and of the cache to the origin.

local NO_TAG = "a tag without quotes, or with another mark than W/, is none"
local OF_ONE = "one client's condition says nothing of others: the whole is loaded for all"

local function of_tags(t)
  local function confirmed(kind, id, tag, asked, fails)
    local case = t[kind]("conditional-etag-" .. id, t.fresh { { "ETag", tag } },
      { headers = { { "If-None-Match", asked } }, type = "cached", expect_status = 304 })
    case.fails = fails
    return case
  end

  confirmed("optional", "strong-respond", '"abcdef"', '"abcdef"')
  confirmed("optional", "weak-respond", 'W/"abcdef"', 'W/"abcdef"')
  confirmed("optional", "strong-respond-multiple-first", '"abcdef"', '"abcdef", "1234", "5678"')
  confirmed("optional", "strong-respond-multiple-second", '"abcdef"', '"1234", "abcdef", "5678"')
  confirmed("optional", "strong-respond-multiple-last", '"abcdef"', '"1234", "5678", "abcdef"')
  local latin = confirmed("check", "strong-respond-obs-text", '"abcdef\252"', '"abcdef\252"')
  latin.requests[2].expect = { { "ETag", '"abcdef\252"' } }
  confirmed("check", "quoted-respond-unquoted", '"abcdef"', "abcdef", NO_TAG)
  confirmed("check", "unquoted-respond-unquoted", "abcdef", "abcdef", NO_TAG)
  confirmed("check", "unquoted-respond-quoted", "abcdef", '"abcdef"', NO_TAG)
  confirmed("check", "weak-respond-lowercase", 'w/"abcdef"', 'w/"abcdef"', NO_TAG)
  confirmed("check", "weak-respond-backslash", 'W\\"abcdef"', 'W\\"abcdef"', NO_TAG)
  confirmed("check", "weak-respond-omit-slash", 'W"abcdef"', 'W"abcdef"', NO_TAG)
  t.required("conditional-304-etag", t.fresh { { "ETag", '"abcdef"' } },
    { headers = { { "If-None-Match", '"abcdef"' } }, type = "cached", expect_status = 304,
      expect = { { "ETag", '"abcdef"' } } })
  t.required("conditional-etag-precedence",
    t.fresh { { "Last-Modified", -5000 }, { "ETag", '"abcdef"' } },
    { headers = { { "If-None-Match", '"abcdef"' }, { "If-Modified-Since", -1 } },
      type = "cached", expect_status = 304 })

  local function vary(seconds)
    return { { "Expires", seconds }, { "ETag", '"abcdef"' }, { "Date", 0 }, { "Vary", "Abc" } }
  end
  local ABC = { { "Abc", "123" } }
  t.required("conditional-etag-vary-headers",
    { headers = ABC, res = vary(1), setup = true, pause = true },
    { headers = ABC, type = "etag", sent = ABC })
  t.no("the tag of one variant says nothing of another", "conditional-etag-vary-headers-mismatch",
    { headers = ABC, res = vary(10000), setup = true, pause = true },
    { headers = { { "Abc", "456" } }, sent = { { "If-None-Match", '"abcdef"' } } })

  local function generates(kind, id, tag, sent)
    return t[kind]("conditional-etag-" .. id, t.becomes_stale { { "ETag", tag } },
      { type = "etag", sent = { { "If-None-Match", sent } } })
  end
  generates("optional", "strong-generate", '"abcdef"', '"abcdef"')
  generates("optional", "weak-generate-weak", 'W/"abcdef"', 'W/"abcdef"')
  generates("check", "strong-generate-unquoted", "abcdef", '"abcdef"').fails =
    "the origin gets its tag back as it gave it"
  for id, tag in pairs { [""] = '"abcdef"', ["-unquoted"] = "abcdef" } do
    t.no(OF_ONE, "conditional-etag-forward" .. id,
      { headers = { { "If-None-Match", tag } }, sent = { { "If-None-Match", '"abcdef"' } } })
  end
end

local function of_dates(t)
  local function since(id, control, modified, asked, step)
    local res = t.cc(control, { { "Date", 0 }, modified and { "Last-Modified", modified } or nil })
    step = step or {}
    step.headers, step.expect_status = { { "If-Modified-Since", asked } }, 304
    step.type = step.type or "cached"
    return t.optional("conditional-lm-" .. id, { res = res, setup = true, pause = true }, step)
  end
  since("fresh", "max-age=100000", -3000, -3000)
  since("fresh-earlier", "max-age=100000", -3000, -2000)
  since("stale", "max-age=2", -3000, -3000, { type = "lm" })
  since("fresh-no-lm", "max-age=10000", nil, -3000).fails =
    "by its Date the answer is newer than what the client has"
  since("fresh-rfc850", "max-age=10000", -3000, -3000, { form = "rfc850" })
end

-- HEAD is answered from a GET, so the origin never sees one.
local function of_head(t)
  local AS_GET = "the origin is asked by GET in place of HEAD"
  local function head(id, step, third)
    step.method, step.seen_as = "HEAD", "HEAD"
    t.no(AS_GET, "head-" .. id, t.becomes_stale(), step, third)
  end
  local LONG = { { "Cache-Control", "max-age=1000" } }
  local CHANGED = { { "Template-A", "2" }, { "Cache-Control", "max-age=1000" } }
  head("writethrough", {})
  head("200-retain", { expect = { { "Template-A", "1" } } })
  head("200-freshness-update", { res = LONG }, { type = "cached" })
  head("200-update", { res = CHANGED }, { type = "cached", expect = { { "Template-A", "2" } } })
  head("410-update", { res = CHANGED, status = 410 },
    { type = "cached", expect = { { "Template-A", "2" } } })
end

return function(t)
  of_tags(t)
  of_dates(t)
  of_head(t)
end
