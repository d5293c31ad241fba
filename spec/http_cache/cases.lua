-- SPDX-License-Identifier: MIT

--- Cases for suite.lua, written from RFC 9110, 9111, 9213 and 5861. Their ids are those of the
-- public suite http-tests/cache-tests, where it has them. A case with optional = true is no must
-- of the RFCs.

local versions = require "support.versions"

local cases = {}

local DAY = 24 * 3600
local MONTH = 30 * DAY

local function add(id, optional, ...)
  cases[#cases + 1] = { id = id, optional = optional, requests = { ... } }
end

local function must(id, ...) add(id, false, ...) end
local function may(id, ...) add(id, true, ...) end

-- An answer with these headers, then a request that the cache answers, or not.
local function once(id, optional, who, headers, o)
  o = o or {}
  add(id, optional, { res = headers, setup = true, pause = o.pause, headers = o.headers,
    status = o.status, text = o.text },
    { type = who, status = o.status, text = o.text, headers = o.second })
end

local function cc(value, more)
  local out = { { "Cache-Control", value } }
  for _, h in ipairs(more or {}) do out[#out + 1] = h end
  return out
end

local function fresh(more)
  local out = { { "Expires", 100000 }, { "Cache-Control", "max-age=100000" },
    { "Last-Modified", 0 }, { "Date", 0 } }
  for _, h in ipairs(more or {}) do out[#out + 1] = h end
  return out
end

local PAUSE = { pause = true }

-- --- freshness by Cache-Control ---

once("freshness-none", true, "not_cached", {}, PAUSE)
once("freshness-max-age", true, "cached", cc "max-age=3600", PAUSE)
once("freshness-max-age-0", false, "not_cached", cc "max-age=0", PAUSE)
once("freshness-max-age-stale", false, "not_cached", cc "max-age=1", PAUSE)
once("freshness-max-age-max", true, "cached", cc "max-age=2147483648", PAUSE)
once("freshness-max-age-max-minus-1", true, "cached", cc "max-age=2147483647", PAUSE)
once("freshness-max-age-max-plus-1", true, "cached", cc "max-age=2147483649", PAUSE)
once("freshness-max-age-max-plus", true, "cached", cc "max-age=99999999999", PAUSE)
once("freshness-max-age-age", false, "not_cached",
  cc("max-age=3600", { { "Date", 0 }, { "Age", "7200" } }), PAUSE)
once("freshness-max-age-date", true, "cached", cc("max-age=3600", { { "Date", -1800 } }), PAUSE)
once("freshness-max-age-expires", true, "cached",
  cc("max-age=3600", { { "Expires", -7200 }, { "Date", 0 } }), PAUSE)
once("freshness-max-age-expires-invalid", true, "cached",
  cc("max-age=3600", { { "Expires", "0" }, { "Date", 0 } }), PAUSE)
once("freshness-max-age-0-expires", false, "not_cached",
  cc("max-age=0", { { "Expires", 3600 }, { "Date", 0 } }), PAUSE)
once("freshness-max-age-extension", true, "cached", cc "foobar, max-age=3600", PAUSE)
once("freshness-max-age-case-insenstive", true, "cached", cc "MaX-aGe=3600", PAUSE)
once("freshness-max-age-negative", false, "not_cached", cc "max-age=-3600", PAUSE)
once("freshness-max-age-quoted", true, "cached", cc 'max-age="3600"', PAUSE)
once("freshness-max-age-single-quoted", false, "not_cached", cc "max-age='3600'", PAUSE)
once("freshness-max-age-leading-zero", true, "cached", cc "max-age=003600", PAUSE)
once("freshness-max-age-decimal-five", false, "not_cached", cc "max-age=3600.5", PAUSE)
once("freshness-max-age-a100", false, "not_cached", cc "max-age=a3600", PAUSE)
once("freshness-max-age-100a", false, "not_cached", cc "max-age=3600a", PAUSE)
once("freshness-max-age-space-before-equals", false, "not_cached", cc "max-age =3600", PAUSE)
once("freshness-max-age-space-after-equals", false, "not_cached", cc "max-age= 3600", PAUSE)
for id, value in pairs {
  ["freshness-max-age-ignore-quoted"] = 'extension="max-age=3600", max-age=1',
  ["freshness-max-age-ignore-quoted-rev"] = 'max-age=1, extension="max-age=3600"',
  ["freshness-max-age-ignore-quoted-all"] = 'extension="max-age=3600", max-age="1"',
  ["freshness-max-age-ignore-quoted-all-rev"] = 'max-age="1", extension="max-age=3600"',
  ["freshness-max-age-two-stale-fresh-sameline"] = "max-age=1, max-age=1800",
  ["freshness-max-age-s-maxage-shared-longer"] = "max-age=3600, s-maxage=1",
  ["freshness-max-age-s-maxage-shared-longer-reversed"] = "s-maxage=1, max-age=3600",
} do
  once(id, false, "not_cached", cc(value), PAUSE)
end
once("freshness-max-age-s-maxage-shared-longer-multiple", false, "not_cached",
  { { "Cache-Control", "max-age=3600" }, { "Cache-Control", "s-maxage=1" } }, PAUSE)
once("freshness-max-age-s-maxage-shared-shorter", true, "cached", cc "max-age=1, s-maxage=3600",
  PAUSE)
once("freshness-max-age-s-maxage-shared-shorter-expires", true, "cached",
  cc("max-age=1, s-maxage=3600", { { "Expires", -100 }, { "Date", 0 } }), PAUSE)
once("freshness-s-maxage-shared", true, "cached", cc "s-maxage=3600", PAUSE)

-- --- Expires and Date ---

once("freshness-expires-future", true, "cached", { { "Expires", MONTH }, { "Date", 0 } }, PAUSE)
once("freshness-expires-past", false, "not_cached", { { "Expires", -MONTH }, { "Date", 0 } }, PAUSE)
once("freshness-expires-present", false, "not_cached", { { "Expires", 0 }, { "Date", 0 } }, PAUSE)
once("freshness-expires-old-date", false, "not_cached", { { "Expires", 300 }, { "Date", 400 } },
  PAUSE)
once("freshness-expires-invalid", false, "not_cached", { { "Expires", "0" }, { "Date", 0 } }, PAUSE)
once("freshness-expires-age-slow-date", false, "not_cached",
  { { "Date", -10 }, { "Expires", 10 }, { "Age", "25" } })
once("freshness-expires-age-fast-date", false, "not_cached",
  { { "Date", 10 }, { "Expires", 20 }, { "Age", "15" } })
once("freshness-expires-invalid-date", true, "cached", { { "Date", "foo" }, { "Expires", 10 } })
for id, date in pairs {
  ["wrong-case-weekday"] = "THU, 18 Aug 2050 02:01:18 GMT",
  ["wrong-case-month"] = "Thu, 18 AUG 2050 02:01:18 GMT",
  ["wrong-case-tz"] = "Thu, 18 Aug 2050 02:01:18 gMT",
  ["ansi-c"] = "Thu Aug 18 02:01:18 2050",
} do
  once("freshness-expires-" .. id, true, "cached", { { "Expires", date }, { "Date", 0 } }, PAUSE)
end
once("freshness-expires-rfc850", true, "cached",
  { { "Expires", os.date("!%A, %d-%b-%y %H:%M:%S GMT", os.time() + MONTH) }, { "Date", 0 } }, PAUSE)
for id, date in pairs {
  utc = "Thu, 18 Aug 2050 02:01:18 UTC",
  aest = "Thu, 18 Aug 2050 02:01:18 AEST",
  ["2-digit-year"] = "Thu, 18 Aug 50 02:01:18 GMT",
  ["no-comma"] = "Thu 18 Aug 2050 02:01:18 GMT",
  ["multiple-spaces"] = "Thu, 18  Aug  2050  02:01:18 GMT",
  ["date-dashes"] = "Thu, 18-Aug-2050 02:01:18 GMT",
  ["time-periods"] = "Thu, 18 Aug 2050 02.01.18 GMT",
  ["1-digit-hour"] = "Thu, 18 Aug 2050 2:01:18 GMT",
  ["multiple-lines"] = "Thu, 18 Aug 2050 02:01:18 GMT, 0",
} do
  once("freshness-expires-invalid-" .. id, false, "not_cached",
    { { "Expires", date }, { "Date", 0 } })
end

-- --- CDN-Cache-Control ---

local function cdn(value, more)
  local out = { { "CDN-Cache-Control", value } }
  for _, h in ipairs(more or {}) do out[#out + 1] = h end
  return out
end

local EXPLICIT = { { "Cache-Control", "max-age=10000" }, { "Expires", 10000 }, { "Date", 0 } }

once("cdn-max-age", true, "cached", cdn "max-age=3600", PAUSE)
once("cdn-max-age-max", true, "cached", cdn "max-age=2147483648", PAUSE)
once("cdn-max-age-max-plus", true, "cached", cdn "max-age=99999999999", PAUSE)
once("cdn-max-age-age", false, "not_cached",
  cdn("max-age=3600", { { "Date", 0 }, { "Age", "7200" } }), PAUSE)
once("cdn-max-age-0", false, "not_cached", cdn "max-age=0", PAUSE)
once("cdn-max-age-extension", true, "cached", cdn "foobar, max-age=3600", PAUSE)
once("cdn-max-age-expires", true, "cached",
  cdn("max-age=3600", { { "Expires", -10000 }, { "Date", 0 } }), PAUSE)
once("cdn-max-age-cc-max-age-invalid-expires", true, "cached",
  cdn("max-age=3600", { { "Expires", "0" }, { "Date", 0 } }), PAUSE)
once("cdn-max-age-0-expires", false, "not_cached",
  cdn("max-age=0", { { "Expires", 10000 }, { "Date", 0 } }), PAUSE)
once("cdn-max-age-short-cc-max-age", true, "cached",
  cdn("max-age=3600", { { "Cache-Control", "max-age=1" } }), PAUSE)
once("cdn-max-age-long-cc-max-age", false, "not_cached",
  cdn("max-age=1", { { "Cache-Control", "max-age=3600" } }), PAUSE)
once("cdn-max-age-space-before-equals", false, "not_cached",
  cdn("max-age =100", { { "Cache-Control", "max-age=1" } }), PAUSE)
once("cdn-max-age-space-after-equals", false, "not_cached",
  cdn("max-age= 100", { { "Cache-Control", "max-age=1" } }), PAUSE)
once("cdn-private", false, "not_cached", cdn("private", EXPLICIT))
once("cdn-no-cache", false, "not_cached", cdn("no-cache", EXPLICIT))
once("cdn-no-store-cc-fresh", false, "not_cached", cdn("no-store", EXPLICIT))
once("cdn-fresh-cc-nostore", true, "cached",
  cdn("max-age=10000", { { "Cache-Control", "no-store" } }), PAUSE)
once("cdn-cc-invalid-sh-type-unknown", false, "not_cached",
  cdn("max-age=10000, &&&&&", { { "Cache-Control", "no-store" } }), PAUSE)
once("cdn-cc-invalid-sh-type-wrong", false, "not_cached",
  cdn('max-age="10000"', { { "Cache-Control", "no-store" } }), PAUSE)

-- --- Age ---

for id, age in pairs { nonnumeric = "abc", negative = "-7200", ["dup-0"] = "0, 0" } do
  once("age-parse-" .. id, true, "cached", cc("max-age=3600", { { "Date", 0 }, { "Age", age } }),
    PAUSE)
end
for id, age in pairs { suffix = "7200,0", ["dup-old"] = "7200, 7200", float = "7200.0" } do
  once("age-parse-" .. id, false, "not_cached",
    cc("max-age=3600", { { "Date", 0 }, { "Age", age } }), PAUSE)
end
must("other-age-gen", { res = { { "Expires", MONTH }, { "Date", 0 } }, pause = true },
  { type = "cached", expect = { { "Age", ">", 2 } } })
must("other-age-update-expires",
  { res = { { "Expires", MONTH }, { "Date", 0 }, { "Age", "30" } }, pause = true },
  { type = "cached", expect = { { "Age", ">", 32 } } })
must("other-age-update-max-age",
  { res = cc("max-age=600", { { "Date", 0 }, { "Age", "30" } }), pause = true },
  { type = "cached", expect = { { "Age", ">", 32 } } })
must("other-age-delay-first", { res = cc("max-age=600", { { "Date", 0 } }), wait = 2,
  expect = { { "Age", ">", 0 } } })
must("other-age-delay", { res = cc("max-age=600", { { "Date", 0 } }), wait = 2 },
  { type = "cached", expect = { { "Age", ">", 1 } } })
local AT = os.date("!%a, %d %b %Y %H:%M:%S GMT", os.time() - 5)
must("other-date-update", { res = { { "Expires", MONTH }, { "Date", AT } }, pause = true },
  { type = "cached", expect = { { "Date", AT } } })

-- --- heuristics and statuses ---

local LM = { { "Last-Modified", -DAY }, { "Date", 0 } }
for _, status in ipairs { 200, 203, 204, 404, 405, 410, 414, 501 } do
  once(("heuristic-%d-cached"):format(status), true, "cached", LM,
    { status = status, text = tostring(status) })
end
for _, status in ipairs { 201, 202, 403, 502, 503, 504, 599 } do
  once(("heuristic-%d-not_cached"):format(status), false, "not_cached", LM,
    { status = status, text = tostring(status) })
end
once("heuristic-599-cached", true, "cached",
  cc("public", { { "Last-Modified", -DAY }, { "Date", 0 } }), { status = 599, text = "599" })
for _, status in ipairs { 200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 410, 499, 500,
  502, 503, 504, 599 } do
  once(("status-%d-fresh"):format(status), true, "cached", fresh(),
    { status = status, text = tostring(status) })
  once(("status-%d-stale"):format(status), false, "not_cached",
    { { "Expires", -5000 }, { "Last-Modified", -100000 }, { "Date", 0 } },
    { status = status, text = tostring(status) })
end
once("status-599-must-understand", false, "not_cached", cc "max-age=3600, must-understand",
  { status = 599, text = "599" })
once("status-200-must-understand", true, "cached", cc "max-age=3600, no-store, must-understand")

-- --- what may be kept ---

once("cc-resp-private-shared", false, "not_cached", cc "private, max-age=3600")
once("cc-resp-no-store", false, "not_cached", cc "no-store")
once("cc-resp-no-store-case-insensitive", false, "not_cached", cc "No-StOrE")
once("cc-resp-no-store-fresh", false, "not_cached",
  cc("max-age=10000, no-store", { { "Expires", 10000 }, { "Date", 0 } }))
once("cc-resp-no-cache", false, "not_cached",
  cc("max-age=10000, no-cache", { { "Expires", 10000 }, { "Date", 0 } }))
once("cc-resp-no-cache-case-insensitive", false, "not_cached",
  cc("max-age=10000, No-CaChE", { { "Expires", 10000 }, { "Date", 0 } }))
once("cc-resp-no-cache-revalidate", true, "etag", cc("no-cache", { { "ETag", '"abcd"' } }))
once("cc-resp-no-cache-revalidate-fresh", true, "etag",
  cc("max-age=10000, no-cache", { { "Expires", 10000 }, { "Date", 0 }, { "ETag", '"abcd"' } }))
once("cc-resp-must-revalidate-fresh", true, "cached",
  cc("max-age=10000, must-revalidate", { { "ETag", '"abcd"' } }))
must("cc-resp-must-revalidate-stale",
  { res = cc("max-age=2, must-revalidate", { { "ETag", '"abcd"' } }) },
  { res = cc("max-age=2, must-revalidate", { { "ETag", '"abcd"' } }), type = "cached",
    pause = true },
  { type = "etag" })
local FOO = { headers = { { "Authorization", "FOO" } }, pause = true }
once("other-authorization", false, "not_cached", { { "Expires", MONTH }, { "Date", 0 } }, FOO)
once("other-authorization-public", true, "cached", cc("max-age=3600, public", { { "Date", 0 } }),
  FOO)
once("other-authorization-must-revalidate", true, "cached",
  cc("max-age=3600, must-revalidate", { { "Date", 0 } }), FOO)
once("other-authorization-smaxage", true, "cached", cc("s-maxage=3600", { { "Date", 0 } }), FOO)
once("other-set-cookie", true, "cached", cc("max-age=3600", { { "Set-Cookie", "a=b" } }))
once("other-cookie", true, "cached", cc "max-age=3600", { second = { { "Cookie", "a=b" } } })
must("query-args-different", { res = fresh(), query = "test=1", text = "1" },
  { query = "test=2", text = "2", type = "not_cached" })
may("query-args-same", { res = fresh(), query = "test=1" }, { query = "test=1", type = "cached" })

-- --- headers ---

for name, value in pairs { ["Test-Header"] = "B", ["X-Test-Header"] = "B", ["Content-Foo"] = "B",
  ["X-Content-Foo"] = "B", ["Content-Encoding"] = "unknown", ["Content-Location"] = "/bar",
  ["Content-MD5"] = "N7UdGUp1E+RbVvZSTy1R8g==", ["Content-Range"] = "nothing",
  ["Content-Security-Policy"] = "default-src 'self'", ["Content-Type"] = "text/plain;charset=utf-8",
  ["Clear-Site-Data"] = "cookies", ETag = '"ghijkl"', Expires = "Mon, 11 Jan 2038 11:11:11 GMT",
  ["Public-Key-Pins"] = "B", ["Set-Cookie"] = "a=c", ["Set-Cookie2"] = "a=c",
  ["X-Frame-Options"] = "sameorigin", ["X-XSS-Protection"] = "1; mode=block",
  ["WWW-Authenticate"] = "Basic", ["Strict-Transport-Security"] = "max-age=1" } do
  must("headers-store-" .. name,
    { res = cc("max-age=3600", { { "Date", 0 }, { name, value } }), expect = { { name, value } } },
    { type = "cached", expect = { { name, value } } })
end
must("headers-store-Cache-Control", { res = cc("max-age=3600", { { "Date", 0 } }) },
  { type = "cached", expect = { { "Cache-Control", "max-age=3600" } } })
must("headers-store-Content-Length",
  { res = cc("max-age=3600", { { "Content-Length", "10" } }), text = "0123456789and more",
    expect_text = "0123456789" },
  { type = "cached", expect_text = "0123456789", expect = { { "Content-Length", "10" } } })
-- A coding that nobody has asked for: the body ends with the connection (RFC 9112, 6.3). libcurl 8
-- gives no such body.
if not versions.at_least("libcurl", "8") then
  must("headers-store-Transfer-Encoding",
    { res = cc("max-age=3600", { { "Transfer-Encoding", "unheard-of" } }), ends = true,
      missing = { "Transfer-Encoding" } },
    { type = "cached", missing = { "Transfer-Encoding" } })
end
for _, name in ipairs { "Connection", "Keep-Alive", "Proxy-Authenticate",
  "Proxy-Authentication-Info", "Proxy-Authorization", "Proxy-Connection", "TE", "Upgrade" } do
  must("headers-store-" .. name,
    { res = cc("max-age=3600", { { "Date", 0 }, { name, "value" } }), missing = { name } },
    { type = "cached", missing = { name } })
end
must("headers-omit-headers-listed-in-Connection",
  { res = cc("max-age=3600", { { "Connection", "a, b" }, { "a", "1" }, { "b", "2" }, { "c", "3" },
    { "Date", 0 } }) },
  { type = "cached", expect = { { "c", "3" } }, missing = { "a", "b" } })
must("headers-omit-headers-listed-in-Cache-Control-no-cache-single",
  { res = { { "Cache-Control", 'no-cache="a"' }, { "a", "1" }, { "b", "2" },
    { "Cache-Control", "max-age=3600" }, { "Date", 0 } }, expect = { { "a", "1" } } },
  { type = "cached", expect = { { "b", "2" } }, missing = { "a" } })
must("headers-omit-headers-listed-in-Cache-Control-no-cache",
  { res = { { "Cache-Control", 'no-cache="a, b"' }, { "a", "1" }, { "b", "2" }, { "c", "3" },
    { "Cache-Control", "max-age=3600" }, { "Date", 0 } } },
  { type = "cached", expect = { { "c", "3" } }, missing = { "a", "b" } })
must("headers-omit-headers-listed-in-Cache-Control-private",
  { res = { { "Cache-Control", 'private="a"' }, { "a", "1" }, { "b", "2" },
    { "Cache-Control", "max-age=3600" }, { "Date", 0 } }, expect = { { "a", "1" } } },
  { type = "cached", expect = { { "b", "2" } }, missing = { "a" } })

-- --- requests ---

local function asks(id, optional, who, headers, second, pause)
  once(id, optional, who, headers, { second = { { "Cache-Control", second } }, pause = pause })
end

asks("ccreq-ma0", true, "not_cached", fresh(), "max-age=0", true)
asks("ccreq-ma1", true, "not_cached", fresh(), "max-age=1", true)
asks("ccreq-magreaterage", true, "not_cached", cc("max-age=3600", { { "Age", "1800" } }),
  "max-age=600")
asks("ccreq-max-stale", true, "cached", cc "max-age=1", "max-stale=1000", true)
asks("ccreq-max-stale-age", true, "cached", cc("max-age=1500", { { "Age", "2000" } }),
  "max-stale=1000")
asks("ccreq-min-fresh", true, "not_cached", cc "max-age=1500", "min-fresh=2000")
asks("ccreq-min-fresh-age", true, "not_cached", cc("max-age=1500", { { "Age", "1000" } }),
  "min-fresh=1000")
asks("ccreq-no-cache", true, "not_cached", cc "max-age=3600", "no-cache")
asks("ccreq-no-cache-lm", true, "lm", cc("max-age=3600", { { "Last-Modified", -10000 },
  { "Date", 0 } }), "no-cache")
asks("ccreq-no-cache-etag", true, "etag", cc("max-age=3600", { { "ETag", '"abc"' } }), "no-cache")
asks("ccreq-no-store", true, "not_cached", cc "max-age=3600", "no-store")
may("ccreq-oic", { headers = { { "Cache-Control", "only-if-cached" } }, expect_status = 504,
  expect_text = false })
once("pragma-response-no-cache", true, "cached", cc("max-age=3600", { { "Pragma", "no-cache" } }))
once("pragma-request-extension", true, "cached", cc "max-age=3600",
  { second = { { "Pragma", "unrecognised-extension" } } })

-- --- validation ---

local ETAG = { { "ETag", '"abcdef"' } }
local function confirmed(id, optional, tag, asked)
  add(id, optional, { res = fresh { { "ETag", tag } } },
    { headers = { { "If-None-Match", asked } }, type = "cached", expect_status = 304 })
end
confirmed("conditional-etag-strong-respond", true, '"abcdef"', '"abcdef"')
confirmed("conditional-etag-weak-respond", true, 'W/"abcdef"', 'W/"abcdef"')
confirmed("conditional-etag-strong-respond-obs-text", true, '"abcdef\252"', '"abcdef\252"')
confirmed("conditional-etag-strong-respond-multiple-first", true, '"abcdef"',
  '"abcdef", "1234", "5678"')
confirmed("conditional-etag-strong-respond-multiple-second", true, '"abcdef"',
  '"1234", "abcdef", "5678"')
confirmed("conditional-etag-strong-respond-multiple-last", true, '"abcdef"',
  '"1234", "5678", "abcdef"')
must("conditional-304-etag", { res = fresh(ETAG) },
  { headers = { { "If-None-Match", '"abcdef"' } }, type = "cached", expect_status = 304,
    expect = ETAG })
must("conditional-etag-precedence",
  { res = fresh { { "Last-Modified", -5000 }, { "ETag", '"abcdef"' } } },
  { headers = { { "If-None-Match", '"abcdef"' }, { "If-Modified-Since", -10000 } },
    type = "cached", expect_status = 304 })
must("conditional-etag-vary-headers",
  { headers = { { "Abc", "123" } }, pause = true,
    res = { { "Expires", 1 }, { "ETag", '"abcdef"' }, { "Date", 0 }, { "Vary", "Abc" } } },
  { headers = { { "Abc", "123" } }, type = "etag", sent = { { "Abc", "123" } } })
may("conditional-etag-strong-generate", { res = cc("max-age=2", ETAG), pause = true },
  { type = "etag", sent = { { "If-None-Match", '"abcdef"' } } })
may("conditional-etag-weak-generate-weak",
  { res = cc("max-age=2", { { "ETag", 'W/"abcdef"' } }), pause = true },
  { type = "etag", sent = { { "If-None-Match", 'W/"abcdef"' } } })
local function since(id, headers, step)
  step.type = step.type or "cached"
  step.expect_status = 304
  may(id, { res = headers, pause = true }, step)
end
local MODIFIED = cc("max-age=100000", { { "Last-Modified", -3000 }, { "Date", 0 } })
since("conditional-lm-fresh", MODIFIED, { headers = { { "If-Modified-Since", -2997 } } })
since("conditional-lm-fresh-earlier", MODIFIED, { headers = { { "If-Modified-Since", -2000 } } })
since("conditional-lm-fresh-rfc850", MODIFIED,
  { headers = { { "If-Modified-Since", -2000 } }, form = "rfc850" })
since("conditional-lm-fresh-no-lm", cc("max-age=10000", { { "Date", 0 } }),
  { headers = { { "If-Modified-Since", 0 } } })
since("conditional-lm-stale",
  cc("max-age=2", { { "Last-Modified", "Thu, 01 Jan 2015 00:00:00 GMT" }, { "Date", 0 } }),
  { headers = { { "If-Modified-Since", "Thu, 01 Jan 2015 00:00:00 GMT" } }, type = "lm" })

local function updates(header, a, b)
  for kind, validator in pairs { lm = { "Last-Modified", "Thu, 01 Jan 2015 00:00:00 GMT" },
    etag = { "ETag", '"one"' } } do
    local function res(life, value)
      return cc("max-age=" .. life, { { "Date", 0 }, validator, { header, value } })
    end
    must(("304-%s-update-response-%s"):format(kind, header), { res = res(1, a), pause = true },
      { res = res(3600, b), type = kind, expect = { { header, b } } })
    must(("304-%s-update-stored-%s"):format(kind, header), { res = res(1, a), pause = true },
      { res = res(3600, b), type = kind, pause = true },
      { type = "cached", expect = { { header, b } } })
  end
end
for header, values in pairs { ["Test-Header"] = { "A", "B" }, ["X-Test-Header"] = { "A", "B" },
  ["Content-Foo"] = { "A", "B" }, ["X-Content-Foo"] = { "A", "B" },
  ["Content-Type"] = { "text/plain", "text/plain;charset=utf-8" },
  ["Content-Location"] = { "/foo", "/bar" }, ["X-Frame-Options"] = { "deny", "sameorigin" },
  ["Content-Security-Policy"] = { "default-src 'self'", "default-src 'none'" },
  ["Content-MD5"] = { "rL0Y20zC+Fzt72VPzMSk2A==", "N7UdGUp1E+RbVvZSTy1R8g==" },
  ["Clear-Site-Data"] = { "cache", "cookies" }, ["X-XSS-Protection"] = { "1", "1; mode=block" },
  ["Public-Key-Pins"] = { "A", "B" }, ["Set-Cookie"] = { "a=b", "a=c" },
  ["Set-Cookie2"] = { "a=b", "a=c" } } do
  updates(header, values[1], values[2])
end
must("304-etag-update-response-Cache-Control",
  { res = { { "Date", 0 }, { "Cache-Control", "max-age=1" }, { "ETag", '"a"' } }, pause = true },
  { res = { { "Date", 0 }, { "Cache-Control", "max-age=3600" }, { "ETag", '"a"' } }, type = "etag",
    expect = { { "Cache-Control", "max-age=3600" } } },
  { type = "cached", expect = { { "Cache-Control", "max-age=3600" } } })
must("304-etag-update-response-Content-Length",
  { res = cc("max-age=1", { { "ETag", '"a"' }, { "Content-Length", "5" } }), text = "0123456789",
    expect_text = "01234", pause = true },
  { res = cc("max-age=3600", { { "ETag", '"a"' }, { "Content-Length", "10" } }), type = "etag",
    expect_text = "01234", expect = { { "Content-Length", "5" } } },
  { type = "cached", expect_text = "01234", expect = { { "Content-Length", "5" } } })
must("304-lm-use-stored-Test-Header",
  { res = cc("max-age=1", { { "Last-Modified", "Thu, 01 Jan 2015 00:00:00 GMT" }, { "Date", 0 },
    { "Test-Header", "A" } }), pause = true },
  { res = cc("max-age=3600", { { "Last-Modified", "Thu, 01 Jan 2015 00:00:00 GMT" },
    { "Date", 0 } }), type = "lm", expect = { { "Test-Header", "A" } } })

-- --- stale answers ---

for directive, value in pairs { ["must-revalidate"] = "", ["proxy-revalidate"] = "",
  ["no-cache"] = "", ["s-maxage"] = "=2" } do
  must("stale-close-" .. directive .. value,
    { res = cc(("max-age=2, %s%s"):format(directive, value)), pause = true },
    { drop = true, expect_status = directive == "no-cache" and 502 or 504, expect_text = false })
end
may("stale-close", { res = cc "max-age=2", pause = true }, { drop = true, type = "cached" })
may("stale-sie-close", { res = cc "max-age=2, stale-if-error=60", pause = true },
  { drop = true, type = "cached" })
may("stale-sie-503", { res = cc "max-age=2, stale-if-error=60", pause = true },
  { status = 503, expect_status = 200, type = "cached" })
may("stale-while-revalidate",
  { res = cc("max-age=0, stale-while-revalidate=3600", { { "ETag", '"abc"' } }) },
  { pause = true, expect = { { "ETag", '"abc"' } },
    res = cc("max-age=3600", { { "ETag", '"def"' } }) },
  { type = "cached", expect = { { "ETag", '"def"' } } })
may("stale-while-revalidate-hit",
  { pause = true, res = cc("max-age=1, stale-while-revalidate=3600", { { "ETag", '"abc"' } }) },
  { type = "cached" })
must("stale-while-revalidate-window",
  { pause = true, res = cc("max-age=1, stale-while-revalidate=4", { { "ETag", '"abc"' } }) },
  { pause = true, res = cc("no-cache", { { "ETag", '"def"' } }), type = "cached" },
  { expect = { { "Client-Request-Count", "3" } } })
may("stale-if-error-cc-response", { res = cc "max-age=0, stale-if-error=3600" },
  { status = 500, expect_status = 200 })
must("stale-if-error-cc-response-expired",
  { res = cc "max-age=0, stale-if-error=1", pause = true }, { status = 500 })
may("stale-if-error-cc-request", { res = cc("max-age=0", { { "ETag", '"a"' } }) },
  { headers = { { "Cache-Control", "stale-if-error=3600" } }, status = 500, expect_status = 200 })
must("stale-if-error-cc-request-expired", { res = cc "max-age=0", pause = true },
  { headers = { { "Cache-Control", "stale-if-error=1" } }, status = 500 })

-- --- methods ---

for _, method in ipairs { "POST", "PUT", "DELETE", "M-SEARCH" } do
  must("invalidate-" .. method, { res = fresh() }, { method = method, body = "abc" },
    { type = "not_cached" })
  may(("invalidate-%s-failed"):format(method), { res = fresh() },
    { method = method, body = "abc", status = 500 }, { type = "cached" })
  local places = { { "Location", "location_target" },
    { "Content-Location", "content_location_target" } }
  for id, file in pairs { location = "location_target", cl = "content_location_target" } do
    must(("invalidate-%s-%s"):format(method, id), { res = fresh(), file = file },
      { method = method, body = "abc", res = places, places = true },
      { file = file, type = "not_cached" })
  end
end
may("method-POST", { method = "POST", body = "12345", pause = true, places = true,
  res = { { "Expires", MONTH }, { "Content-Location", "" }, { "Date", 0 } } },
  { type = "cached" })
may("head-after-get", { res = fresh() }, { method = "HEAD", type = "cached" })

-- --- Vary ---

local function vary(id, optional, who, names, first, second)
  local res = { { "Expires", 5000 }, { "Last-Modified", -3000 }, { "Date", 0 } }
  for _, name in ipairs(type(names) == "table" and names or { names }) do
    res[#res + 1] = { "Vary", name }
  end
  add(id, optional, { headers = first, res = res }, { headers = second, type = who })
end
local F1, F2, F1BAR = { { "Foo", "1" } }, { { "Foo", "2" } }, { { "Foo", "1" }, { "Bar", "abc" } }
local THREE = { { "Foo", "1" }, { "Bar", "abc" }, { "Baz", "789" } }
local BAZ = { { "Foo", "1" }, { "Baz", "789" } }
vary("vary-match", true, "cached", "Foo", F1, F1)
vary("vary-no-match", false, "not_cached", "Foo", F1, F2)
vary("vary-omit", false, "not_cached", "Foo", F1, nil)
vary("vary-omit-stored", false, "not_cached", "Foo", nil, F1)
vary("vary-cache-key", true, "cached", "Foo", { { "Foo", "1" }, { "Other", "2" } },
  { { "Foo", "1" }, { "Other", "3" } })
vary("vary-2-match", true, "cached", "Foo, Bar", F1BAR, F1BAR)
vary("vary-2-no-match", false, "not_cached", "Foo, Bar", F1BAR,
  { { "Foo", "2" }, { "Bar", "abc" } })
vary("vary-2-match-omit", true, "cached", "Foo, Bar", F1, F1)
vary("vary-3-match", true, "cached", "Foo, Bar, Baz", THREE, THREE)
vary("vary-3-no-match", false, "not_cached", "Foo, Bar, Baz", THREE,
  { { "Foo", "2" }, { "Bar", "abc" }, { "Baz", "789" } })
vary("vary-3-order", false, "not_cached", "Foo, Bar, Baz",
  { { "Foo", "1" }, { "Bar", "abc4" }, { "Baz", "789" } }, THREE)
vary("vary-3-omit", true, "cached", "Foo, Bar, Baz", BAZ, BAZ)
vary("vary-normalise-space", true, "cached", "Foo", { { "Foo", "1,2" } }, { { "Foo", " 1, 2 " } })
vary("vary-normalise-combine", true, "cached", "Foo", { { "Foo", "1, 2" } },
  { { "Foo", "1" }, { "Foo", "2" } })
for id, value in pairs { case = "eN, De", space = " en ,   de" } do
  vary("vary-normalise-lang-" .. id, true, "cached", "Accept-Language",
    { { "Accept-Language", "en, de" } }, { { "Accept-Language", value } })
end
for id, names in pairs { star = "*", ["star-star"] = "*, *", ["star-star-lines"] = { "*", "*" },
  ["empty-star"] = ", *", ["empty-star-lines"] = { "", "*" }, ["star-foo"] = "*, Foo",
  ["foo-star"] = "Foo, *" } do
  vary("vary-syntax-" .. id, false, "not_cached", names, BAZ, BAZ)
end
local VARIES = { { "Expires", 5000 }, { "Date", 0 }, { "Vary", "Foo" } }
may("vary-invalidate", { headers = F1, res = VARIES, text = "foo_1" },
  { headers = F2, res = VARIES, text = "foo_2", type = "not_cached" },
  { headers = F1, text = "foo_1", type = "cached" },
  { headers = F2, text = "foo_2", type = "cached" })
must("vary-invalidate-all", { headers = F1, res = VARIES }, { headers = F2, res = VARIES },
  { method = "POST", body = "x" }, { headers = F1, res = VARIES, type = "not_cached" },
  { headers = F2, type = "not_cached" })

-- --- parts ---

local function part(id, range, text)
  may("partial-store-complete-reuse-partial" .. id,
    { res = cc "max-age=3600", text = "0123456789A" },
    { headers = { { "Range", range } }, type = "cached", expect_status = 206, expect_text = text })
end
part("", "bytes=0-1", "01")
part("-no-last", "bytes=1-", "123456789A")
part("-suffix", "bytes=-1", "A")
local function if_range(id, etag, value, status)
  must("if-range-" .. id, { text = "0123456789A",
    res = cc("max-age=3600", { { "ETag", etag }, { "Last-Modified", AT }, { "Date", 0 } }) },
    { headers = { { "Range", "bytes=0-1" }, { "If-Range", value } }, type = "cached",
      expect_status = status, expect_text = status == 206 and "01" or "0123456789A" })
end
if_range("same-tag", '"a"', '"a"', 206)
if_range("other-tag", '"a"', '"b"', 200)
if_range("weak-tag", 'W/"a"', 'W/"a"', 200)
if_range("same-date", '"a"', AT, 206)
if_range("other-date", '"a"', "Thu, 01 Jan 2015 00:00:00 GMT", 200)
may("partial-none", { res = cc "max-age=3600", text = "012" },
  { headers = { { "Range", "bytes=9-" } }, type = "cached", expect_status = 416,
    expect_text = false })

return cases
