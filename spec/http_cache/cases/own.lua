-- SPDX-License-Identifier: MIT

--- Cases that the public suite does not have.

local function of_freshness(t)
  for id, value in pairs {
    ["freshness-max-age-ignore-quoted-all"] = 'extension="max-age=3600", max-age="1"',
    ["freshness-max-age-ignore-quoted-all-rev"] = 'max-age="1", extension="max-age=3600"',
  } do
    t.once("own", id, "not_cached", t.cc(value), t.PAUSE)
  end
  t.once("own", "freshness-max-age-recent-date", "cached",
    t.cc("max-age=3600", { { "Date", -1800 } }), t.PAUSE)
  t.once("own", "age-huge", "not_cached",
    t.cc("max-age=3600", { { "Date", 0 }, { "Age", ("9"):rep(40), false } }))
  t.once("own", "date-in-the-future", "cached", t.cc("max-age=3600", { { "Date", 7200 } }))
  t.own("age-delay-kept", { res = t.cc("max-age=600", { { "Date", 0 } }), wait = 2 },
    { type = "cached", expect = { { "Age", ">", 1 } } })
  t.own("headers-for-one-listed-in-private",
    { res = { { "Cache-Control", 'private="a"' }, { "a", "1" }, { "b", "2" },
      { "Cache-Control", "max-age=3600" }, { "Date", 0 } }, expect = { { "a", "1" } } },
    { type = "cached", expect = { { "b", "2" } }, missing = { "a" } })
end

local function of_stale_answers(t)
  t.own("stale-while-revalidate-loads-behind",
    { res = t.cc("max-age=0, stale-while-revalidate=3600", { { "ETag", '"abc"' } }) },
    { pause = true, expect = { { "ETag", '"abc"' } },
      res = { { "Cache-Control", "max-age=3600", false }, { "ETag", '"def"', false } } },
    { type = "cached", expect = { { "ETag", '"def"' } } })
  t.own("stale-if-error-cc-response", { res = t.cc "max-age=0, stale-if-error=3600" },
    { status = 500, expect_status = 200 })
  t.own("stale-if-error-503", { res = t.cc "max-age=2, stale-if-error=60", pause = true },
    { status = 503, expect_status = 200, type = "cached" })
  t.own("stale-if-error-cc-response-expired",
    { res = t.cc "max-age=0, stale-if-error=1", pause = true }, { status = 500 })
  t.own("stale-if-error-cc-request", { res = t.cc("max-age=0", { { "ETag", '"a"' } }) },
    { headers = { { "Cache-Control", "stale-if-error=3600" } }, status = 500,
      expect_status = 200 })
  t.own("stale-if-error-cc-request-expired", { res = t.cc "max-age=0", pause = true },
    { headers = { { "Cache-Control", "stale-if-error=1" } }, status = 500 })
  for directive, status in pairs { ["must-revalidate"] = 504, ["proxy-revalidate"] = 504,
    ["no-cache"] = 502, ["s-maxage=2"] = 504 } do
    t.own("status-of-stale-close-" .. directive,
      { res = t.cc("max-age=2, " .. directive), pause = true },
      { drop = true, expect_status = status, expect_text = false })
  end
end

local function of_selecting(t)
  local F1, F2 = { { "Foo", "1" } }, { { "Foo", "2" } }
  local VARIES = t.cc("max-age=5000", { { "Date", 0 }, { "Vary", "Foo" } })
  t.own("vary-invalidate-all", { headers = F1, res = VARIES }, { headers = F2, res = VARIES },
    { method = "POST", body = "x" }, { headers = F1, res = VARIES, type = "not_cached" },
    { headers = F2, type = "not_cached" })
  local names = {}
  for i = 1, 50 do
    names[i] = "Name-" .. i
  end
  local all = table.concat(names, ", ")
  local FIFTY = t.cc("max-age=5000", { { "Date", 0 }, { "Vary", all } })
  t.own("vary-by-50-names", { headers = { { "Name-50", "1" } }, res = FIFTY },
    { headers = { { "Name-50", "2" } }, res = FIFTY, type = "not_cached" },
    { headers = { { "Name-50", "1" } }, type = "cached" })
  t.own("head-after-get", t.fresh(), { method = "HEAD", type = "cached" })
end

local function of_parts(t)
  local AT = os.date("!%a, %d %b %Y %H:%M:%S GMT", os.time() - 5)
  local function if_range(id, etag, value, status)
    t.own("if-range-" .. id,
      { text = "0123456789A",
        res = t.cc("max-age=3600", { { "ETag", etag }, { "Last-Modified", AT }, { "Date", 0 } }) },
      { headers = { { "Range", "bytes=0-1" }, { "If-Range", value } }, type = "cached",
        expect_status = status, expect_text = status == 206 and "01" or "0123456789A" })
  end
  if_range("same-tag", '"a"', '"a"', 206)
  if_range("other-tag", '"a"', '"b"', 200)
  if_range("weak-tag", 'W/"a"', 'W/"a"', 200)
  if_range("same-date", '"a"', AT, 206)
  if_range("other-date", '"a"', "Thu, 01 Jan 2015 00:00:00 GMT", 200)
  t.own("if-range-stale",
    { text = "0123456789A", pause = true,
      res = t.cc("max-age=1", { { "ETag", '"a"' }, { "Date", 0 } }) },
    { headers = { { "Range", "bytes=0-1" }, { "If-Range", '"a"' } }, text = "BCDEFGHIJKL",
      res = t.cc("max-age=3600", { { "ETag", '"b"' }, { "Date", 0 } }), type = "not_cached" })
  t.own("range-beyond", { res = t.cc "max-age=3600", text = "012" },
    { headers = { { "Range", "bytes=9-" } }, type = "cached", expect_status = 416,
      expect_text = false })
end

return function(t)
  of_freshness(t)
  of_stale_answers(t)
  of_selecting(t)
  of_parts(t)
end
