-- SPDX-License-Identifier: MIT

--- Which answers are kept: by Cache-Control, status, Authorization; parts; what removes them.

local function of_cache_control(t)
  local cc, once = t.cc, t.once
  local FULL = { { "Expires", 10000 }, { "Date", 0 } }
  local TAGGED = { { "Expires", 10000 }, { "Date", 0 }, { "ETag", '"abcd"' } }

  once("required", "cc-resp-private-shared", "not_cached", cc "private, max-age=3600")
  once("required", "cc-resp-no-store", "not_cached", cc "no-store")
  once("required", "cc-resp-no-store-case-insensitive", "not_cached", cc "No-StOrE")
  once("required", "cc-resp-no-store-fresh", "not_cached", cc("max-age=10000, no-store", FULL))
  for id, control in pairs { ["old-new"] = "no-store", ["old-max-age"] = "no-store, max-age=0" } do
    t.required("cc-resp-no-store-" .. id,
      { res = cc("max-age=10000", { { "Expires", 10000 }, { "Date", 0 }, { "A", "1" } }),
        setup = true, pause = true },
      { res = cc(control, { { "Date", 0 }, { "A", "2" } }), setup = true, pause = true },
      { type = "cached", expect = { { "A", "1" } } })
  end
  once("required", "cc-resp-no-cache", "not_cached", cc("max-age=10000, no-cache", FULL))
  once("required", "cc-resp-no-cache-case-insensitive", "not_cached",
    cc("max-age=10000, No-CaChE", FULL))
  once("optional", "cc-resp-no-cache-revalidate", "etag", cc("no-cache", { { "ETag", '"abcd"' } }))
  once("optional", "cc-resp-no-cache-revalidate-fresh", "etag",
    cc("max-age=10000, no-cache", TAGGED))
  once("optional", "cc-resp-must-revalidate-fresh", "cached",
    cc("max-age=10000, must-revalidate", { { "ETag", '"abcd"' } }))
  local BRIEF = cc("max-age=2, must-revalidate", { { "ETag", '"abcd"' } })
  t.required("cc-resp-must-revalidate-stale", { res = BRIEF, setup = true },
    { res = BRIEF, type = "cached", pause = true, setup = true }, { type = "etag" })
end

local function of_statuses(t)
  for _, code in ipairs { 200, 203, 204, 299, 301, 302, 303, 307, 308, 400, 404, 410, 499, 500,
    502, 503, 504, 599 } do
    local text = tostring(code)
    t.optional(("status-%d-fresh"):format(code), t.fresh({}, { status = code, text = text }),
      { type = "cached", status = code, text = text })
    t.required(("status-%d-stale"):format(code),
      { res = { { "Expires", -5000 }, { "Last-Modified", -100000 }, { "Date", 0 } },
        setup = true, pause = true, status = code, text = text },
      { type = "not_cached", text = text })
  end
  t.required("status-599-must-understand",
    { status = 599, setup = true, res = t.cc "max-age=3600, no-store, must-understand" },
    { type = "not_cached" })
  t.once("optional", "status-200-must-understand", "cached",
    t.cc "max-age=3600, no-store, must-understand")
end

local function of_authorization(t)
  local FOO = { { "Authorization", "FOO" } }
  t.required("other-authorization", t.fresh({}, { headers = FOO, sent = FOO }),
    { type = "not_cached" })
  for id, control in pairs { public = "max-age=3600, public", smaxage = "s-maxage=3600",
    ["must-revalidate"] = "max-age=3600, must-revalidate" } do
    t.once("optional", "other-authorization-" .. id, "cached", t.cc(control, { { "Date", 0 } }),
      { headers = FOO, sent = FOO, pause = true })
  end
end

local function of_methods(t)
  for _, method in ipairs { "POST", "PUT", "DELETE", "M-SEARCH" } do
    local function unsafe(status)
      return { method = method, body = "abc", setup = true, status = status }
    end
    t.required("invalidate-" .. method, t.fresh(), unsafe(), { type = "not_cached" })
    t.optional(("invalidate-%s-failed"):format(method), t.fresh(), unsafe(500),
      { type = "cached" })
    for id, file in pairs { location = "location_target", cl = "content_location_target" } do
      local function target(who)
        return { res = t.cc("max-age=100000", { { "Last-Modified", 0 }, { "Date", 0 } }),
          file = file, type = who, setup = not who }
      end
      t.check(("invalidate-%s-%s"):format(method, id), target(),
        { method = method, body = "abc", setup = true, places = true,
          res = { { "Location", "location_target" },
            { "Content-Location", "content_location_target" } } },
        target "not_cached")
    end
  end
  t.optional("method-POST",
    { method = "POST", body = "12345", headers = { { "Content-Type", "text/plain" } },
      res = { { "Expires", 30 * 24 * 3600 }, { "Content-Location", "" }, { "Date", 0 } },
      places = true, pause = true, setup = true },
    { type = "cached" })
end

local WRONG_LENGTH = "its Content-Range names six bytes, and its body has five: it is no sound part"
local NO_PARTS = "parts are not kept"

local function of_parts(t)
  local LAST = { { "Range", "bytes=-5" } }
  local function kept_part(fails, id, asked, text)
    t.fails("optional", fails, "partial-store-partial-reuse-partial" .. id,
      { headers = LAST, sent = LAST, status = 206, setup = true, text = "01234",
        res = t.cc("max-age=3600", { { "Content-Range", "bytes 4-9/10" } }) },
      { headers = { { "Range", asked } }, type = "cached", expect_status = 206,
        expect_text = text })
  end
  local function of_whole(id, asked, body, text)
    t.optional("partial-store-complete-reuse-partial" .. id,
      { res = t.cc "max-age=3600", text = body, setup = true },
      { headers = { { "Range", asked } }, type = "cached", expect_status = 206,
        expect_text = text })
  end

  kept_part(WRONG_LENGTH, "", "bytes=-5", "01234")
  kept_part(WRONG_LENGTH, "-byterange", "bytes=6-8", "234")
  kept_part(WRONG_LENGTH, "-absent", "bytes=6-", "234")
  kept_part(WRONG_LENGTH, "-suffix", "bytes=-1", "4")
  t.fails("optional", NO_PARTS, "partial-store-partial-complete",
    { headers = LAST, status = 206, setup = true, text = "01234",
      res = t.cc("max-age=3600", { { "Content-Range", "bytes 0-4/10" } }) },
    { sent = { { "Range", "bytes=5-" } } })
  of_whole("", "bytes=0-1", "01234567890", "01")
  of_whole("-no-last", "bytes=1-", "01234567890", "1234567890")
  of_whole("-suffix", "bytes=-1", "0123456789A", "A")
  for id, more in pairs { ["use-headers"] = { res = { { "A", "2" } } },
    ["use-stored-headers"] = { expect = { { "A", "1" } } } } do
    t.required("partial-" .. id,
      { res = t.cc("max-age=3600", { { "A", "1" } }), text = "01234567890", setup = true },
      { headers = { { "Range", "bytes=0-1" } }, type = "cached", expect_status = 206,
        expect_text = "01", res = more.res, expect = more.expect })
  end
end

return function(t)
  of_cache_control(t)
  of_statuses(t)
  of_authorization(t)
  of_methods(t)
  of_parts(t)
end
