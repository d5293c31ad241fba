-- SPDX-License-Identifier: MIT

--- How long an answer is fresh: Cache-Control, Expires, CDN-Cache-Control, Age, and without any of
-- them.

local DAY = 24 * 3600
local MONTH = 30 * DAY
local FIRST_COUNTS = "of a repeated directive the first counts"
local STALE_IF_UNSOUND = "an answer whose seconds are no number is stale"

local function of_cache_control(t)
  local cc, once, PAUSE = t.cc, t.once, t.PAUSE

  once("check", "freshness-none", "not_cached", {}, PAUSE)
  once("optional", "freshness-max-age", "cached", cc "max-age=3600", PAUSE)
  t.required("freshness-max-age-stale", t.becomes_stale(), { type = "not_cached" })
  once("required", "freshness-max-age-0", "not_cached", cc "max-age=0", PAUSE)
  for id, seconds in pairs { ["max-minus-1"] = "2147483647", max = "2147483648",
    ["max-plus-1"] = "2147483649", ["max-plus"] = "99999999999" } do
    once("optional", "freshness-max-age-" .. id, "cached", cc("max-age=" .. seconds), PAUSE)
  end
  once("required", "freshness-max-age-age", "not_cached",
    { { "Date", 0 }, { "Cache-Control", "max-age=3600" }, { "Age", "7200" } }, PAUSE)
  once("check", "freshness-max-age-date", "not_cached",
    { { "Date", -7200 }, { "Cache-Control", "max-age=3600" } }, PAUSE)
  once("optional", "freshness-max-age-expires", "cached",
    cc("max-age=3600", { { "Expires", -7200 }, { "Date", 0 } }), PAUSE)
  once("optional", "freshness-max-age-expires-invalid", "cached",
    cc("max-age=3600", { { "Expires", "0", false }, { "Date", 0 } }), PAUSE)
  once("required", "freshness-max-age-0-expires", "not_cached",
    { { "Expires", 3600 }, { "Cache-Control", "max-age=0" }, { "Date", 0 } }, PAUSE)
  once("optional", "freshness-max-age-extension", "cached", cc "foobar, max-age=3600", PAUSE)
  once("optional", "freshness-max-age-case-insenstive", "cached", cc "MaX-aGe=3600", PAUSE)
  once("required", "freshness-max-age-negative", "not_cached", cc "max-age=-3600", PAUSE)
  once("required", "freshness-s-maxage-shared", "cached", cc "s-maxage=3600", PAUSE)
  once("required", "freshness-max-age-s-maxage-shared-longer", "not_cached",
    cc "max-age=3600, s-maxage=1", PAUSE)
  once("required", "freshness-max-age-s-maxage-shared-longer-reversed", "not_cached",
    cc "s-maxage=1, max-age=3600", PAUSE)
  once("required", "freshness-max-age-s-maxage-shared-longer-multiple", "not_cached",
    { { "Cache-Control", "max-age=3600" }, { "Cache-Control", "s-maxage=1" } }, PAUSE)
  once("optional", "freshness-max-age-s-maxage-shared-shorter", "cached",
    cc "max-age=1, s-maxage=3600", PAUSE)
  once("optional", "freshness-max-age-s-maxage-shared-shorter-expires", "cached",
    { { "Expires", -10 }, { "Cache-Control", "max-age=0, s-maxage=3600" } }, PAUSE)
end

local function of_parsing(t)
  local once, PAUSE = t.once, t.PAUSE
  local function lines(...)
    local out = {}
    for i, value in ipairs { ... } do
      out[i] = { "Cache-Control", value, false }
    end
    return out
  end
  local function no(id, who, why, ...)
    once("check", "freshness-max-age-" .. id, who, lines(...), { pause = true, fails = why })
  end

  no("two-fresh-stale-sameline", "cached", nil, "max-age=1800, max-age=1")
  no("two-fresh-stale-sepline", "cached", nil, "max-age=1800", "max-age=1")
  no("two-stale-fresh-sameline", "cached", FIRST_COUNTS, "max-age=1, max-age=1800")
  no("two-stale-fresh-sepline", "cached", FIRST_COUNTS, "max-age=1", "max-age=1800")
  no("quoted", "cached", nil, 'max-age="3600"')
  no("space-before-equals", "not_cached", nil, "max-age =3600")
  no("space-after-equals", "not_cached", nil, "max-age= 3600")
  no("decimal-zero", "cached", STALE_IF_UNSOUND, "max-age=3600.0")
  no("decimal-five", "cached", STALE_IF_UNSOUND, "max-age=3600.5")
  no("a100", "cached", STALE_IF_UNSOUND, "max-age=a3600")
  no("100a", "cached", STALE_IF_UNSOUND, "max-age=3600a")
  once("required", "freshness-max-age-ignore-quoted", "not_cached",
    lines 'extension="max-age=3600", max-age=1', PAUSE)
  once("required", "freshness-max-age-ignore-quoted-rev", "not_cached",
    lines 'max-age=1, extension="max-age=3600"', PAUSE)
  once("required", "freshness-max-age-leading-zero", "cached", lines "max-age=003600", PAUSE)
  once("required", "freshness-max-age-single-quoted", "not_cached", lines "max-age='3600'", PAUSE)
end

local function of_expires(t)
  local once, PAUSE = t.once, t.PAUSE

  once("optional", "freshness-expires-future", "cached", { { "Expires", MONTH }, { "Date", 0 } },
    PAUSE)
  once("required", "freshness-expires-past", "not_cached",
    { { "Expires", -MONTH }, { "Date", 0 } }, PAUSE)
  once("required", "freshness-expires-present", "not_cached", { { "Expires", 0 }, { "Date", 0 } })
  once("required", "freshness-expires-old-date", "not_cached",
    { { "Expires", 300 }, { "Date", 400 } }, PAUSE)
  once("required", "freshness-expires-invalid", "not_cached",
    { { "Expires", "0", false }, { "Date", 0 } }, PAUSE)
  once("optional", "freshness-expires-invalid-date", "cached",
    { { "Date", "foo", false }, { "Expires", 10 } })
  once("required", "freshness-expires-age-slow-date", "not_cached",
    { { "Date", -10 }, { "Expires", 10 }, { "Age", "25" } })
  once("required", "freshness-expires-age-fast-date", "not_cached",
    { { "Date", 10 }, { "Expires", 20 }, { "Age", "15" } })
  for id, date in pairs {
    ["32bit"] = "Tue, 19 Jan 2038 14:14:08 GMT",
    ["far-future"] = "Sun, 21 Nov 2286 04:46:39 GMT",
    rfc850 = "Thursday, 18-Aug-50 02:01:18 GMT",
    ["ansi-c"] = "Thu Aug  8 02:01:18 2050",
    ["wrong-case-weekday"] = "THU, 18 Aug 2050 02:01:18 GMT",
    ["wrong-case-month"] = "Thu, 18 AUG 2050 02:01:18 GMT",
    ["wrong-case-tz"] = "Thu, 18 Aug 2050 02:01:18 gMT",
  } do
    once("optional", "freshness-expires-" .. id, "cached",
      { { "Expires", date, false }, { "Date", 0 } }, PAUSE)
  end
  for id, date in pairs {
    utc = "Thu, 18 Aug 2050 02:01:18 UTC",
    aest = "Thu, 18 Aug 2050 02:01:18 AEST",
    ["2-digit-year"] = "Thu, 18 Aug 50 02:01:18 GMT",
    ["no-comma"] = "Thu 18 Aug 2050 02:01:18 GMT",
    ["multiple-spaces"] = "Thu, 18  Aug  2050 02:01:18 GMT",
    ["date-dashes"] = "Thu, 18-Aug-2050 02:01:18 GMT",
    ["time-periods"] = "Thu, 18 Aug 2050 02.01.18 GMT",
    ["1-digit-hour"] = "Thu, 18 Aug 2050 2:01:18 GMT",
  } do
    once("required", "freshness-expires-invalid-" .. id, "not_cached",
      { { "Expires", date, false }, { "Date", 0 } })
  end
  once("required", "freshness-expires-invalid-multiple-lines", "not_cached",
    { { "Expires", "Thu, 18 Aug 2050 2:01:18 GMT", false },
      { "Expires", "Thu, 18 Aug 2050 2:01:19 GMT", false }, { "Date", 0 } })
end

local function of_cdn(t)
  local once, PAUSE = t.once, t.PAUSE
  local function cdn(value, more)
    local out = { { "CDN-Cache-Control", value, false } }
    for _, h in ipairs(more or {}) do
      out[#out + 1] = h
    end
    return out
  end
  local EXPLICIT = { { "Cache-Control", "max-age=10000" }, { "Expires", 10000 }, { "Date", 0 } }
  local NO_STORE = { { "Cache-Control", "no-store" } }
  local BRIEF = { { "Cache-Control", "max-age=1" } }

  once("optional", "cdn-max-age", "cached", cdn "max-age=3600", PAUSE)
  once("optional", "cdn-max-age-max", "cached", cdn "max-age=2147483648", PAUSE)
  once("optional", "cdn-max-age-max-plus", "cached", cdn "max-age=99999999999", PAUSE)
  once("optional", "cdn-max-age-extension", "cached", cdn "foobar, max-age=3600", PAUSE)
  once("optional", "cdn-max-age-expires", "cached",
    cdn("max-age=3600", { { "Expires", -10000 }, { "Date", 0 } }), PAUSE)
  once("optional", "cdn-max-age-cc-max-age-invalid-expires", "cached",
    cdn("max-age=3600", { { "Expires", "0", false }, { "Date", 0 } }), PAUSE)
  once("optional", "cdn-max-age-short-cc-max-age", "cached", cdn("max-age=3600", BRIEF), PAUSE)
  once("required", "cdn-max-age-age", "not_cached",
    cdn("max-age=3600", { { "Date", 0 }, { "Age", "7200" } }), PAUSE)
  once("required", "cdn-max-age-0", "not_cached", cdn "max-age=0", PAUSE)
  once("required", "cdn-max-age-0-expires", "not_cached",
    cdn("max-age=0", { { "Expires", 10000 }, { "Date", 0 } }), PAUSE)
  once("required", "cdn-max-age-long-cc-max-age", "not_cached",
    cdn("max-age=1", { { "Cache-Control", "max-age=3600" } }), PAUSE)
  once("required", "cdn-private", "not_cached", cdn("private", EXPLICIT))
  once("required", "cdn-no-cache", "not_cached", cdn("no-cache", EXPLICIT))
  once("required", "cdn-no-store-cc-fresh", "not_cached", cdn("no-store", EXPLICIT), PAUSE)
  once("required", "cdn-fresh-cc-nostore", "cached", cdn("max-age=10000", NO_STORE), PAUSE)
  once("required", "cdn-cc-invalid-sh-type-unknown", "not_cached",
    cdn("max-age=10000, &&&&&", NO_STORE), PAUSE)
  once("required", "cdn-cc-invalid-sh-type-wrong", "not_cached",
    cdn('max-age="10000"', NO_STORE), PAUSE)
  once("check", "cdn-max-age-space-before-equals", "not_cached", cdn("max-age =100", BRIEF), PAUSE)
  once("check", "cdn-max-age-space-after-equals", "not_cached", cdn("max-age= 100", BRIEF), PAUSE)
  once("check", "cdn-max-age-case-insensitive", "cached", cdn "MaX-aGe=3600",
    { pause = true, fails = "the names of a structured field are in lower case (RFC 8941, 3.2)" })
  t.check("cdn-remove-header",
    { res = cdn("foo", EXPLICIT), expect = { { "CDN-Cache-Control", "foo" } } })
  local function exceeds(id, expect, more)
    local res = { { "Cache-Control", "max-age=1" }, { "CDN-Cache-Control", "max-age=10000" },
      { "Date", 0 }, more }
    t.check(id, { res = res, setup = true, pause = true }, { expect = { expect } })
  end
  exceeds("cdn-remove-age-exceed", { "Age" })
  exceeds("cdn-date-update-exceed", { "Date", 0 })
  exceeds("cdn-expires-update-exceed", { "Expires", 1 }, { "Expires", 1 })
end

local function of_age(t)
  local function age(kind, id, who, ...)
    local res = t.cc("max-age=3600", { { "Date", 0 } })
    for _, value in ipairs { ... } do
      res[#res + 1] = { "Age", value, false }
    end
    t.once(kind, "age-parse-" .. id, who, res, t.PAUSE)
  end

  age("required", "nonnumeric", "cached", "abc")
  age("required", "negative", "cached", "-7200")
  age("required", "float", "cached", "7200.0")
  age("required", "large-minus-one", "not_cached", "2147483647")
  age("required", "large", "not_cached", "2147483648")
  age("required", "larger", "not_cached", "2147483649")
  age("required", "suffix", "not_cached", "7200, 0")
  age("required", "prefix", "cached", "0, 7200")
  age("required", "suffix-twoline", "not_cached", "7200", "0")
  age("required", "prefix-twoline", "cached", "0", "7200")
  age("required", "dup-0", "cached", "0, 0")
  age("required", "dup-0-twoline", "cached", "0", "0")
  t.once("required", "age-parse-dup-old", "cached", t.cc("max-age=10000",
    { { "Date", 0 }, { "Age", "3600", false }, { "Age", "3600", false } }), t.PAUSE)
  age("check", "parameter", "not_cached", "7200;foo=bar")
  age("check", "numeric-parameter", "not_cached", "7200;foo=111")
end

local function of_heuristics(t)
  local LM = { { "Last-Modified", -DAY }, { "Date", 0 } }
  local function status(kind, code, who, headers)
    t.once(kind, ("heuristic-%d-%s"):format(code, who), who, headers or LM,
      { status = code, text = tostring(code) })
  end

  for _, code in ipairs { 200, 203, 204, 404, 405, 410, 414, 501 } do
    status("optional", code, "cached")
  end
  for _, code in ipairs { 201, 202, 403, 502, 503, 504, 599 } do
    status("required", code, "not_cached")
  end
  status("optional", 599, "cached",
    { { "Last-Modified", -DAY }, { "Date", 0 }, { "Cache-Control", "public" } })
  for _, ago in ipairs { 5, 10, 30, 60, 300, 600, 1200, 1800, 3600, DAY / 2, DAY } do
    local case = t.once("check", "heuristic-delta-" .. ago, "cached",
      { { "Last-Modified", -ago }, { "Date", 0 } },
      { pause = true, fails = ago < 30 and "a tenth of it is over by then" or nil })
    case.either = ago == 30 -- a tenth is 3 s, as the pause
  end
end

return function(t)
  of_cache_control(t)
  of_parsing(t)
  of_expires(t)
  of_cdn(t)
  of_age(t)
  of_heuristics(t)
end
