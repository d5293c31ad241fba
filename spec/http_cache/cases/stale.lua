-- SPDX-License-Identifier: MIT

--- Stale answers: when the origin closes the connection, fails, or is asked in the background.

local function stale(life, directive, more)
  return { res = { { "Cache-Control", ("max-age=%d%s"):format(life, directive) }, more },
    setup = true, pause = true }
end

return function(t)
  local UNUSED = "RFC 9111 has no Warning any more"
  t.check("stale-close", t.becomes_stale(), { drop = true, type = "cached" })
  t.no("stale-if-error was not said, and an answer of the origin is one", "stale-503",
    t.becomes_stale(), { status = 503, expect_status = 200, type = "cached" })
  t.optional("stale-while-revalidate",
    stale(1, ", stale-while-revalidate=3600", { "ETag", '"abc"' }), { type = "cached" })
  t.required("stale-while-revalidate-window",
    stale(1, ", stale-while-revalidate=4", { "ETag", '"abc"' }),
    { res = { { "Cache-Control", "no-cache", false }, { "ETag", '"def"', false } },
      setup = true, pause = true, type = "cached" },
    { expect = { { "Client-Request-Count", "3" } } })
  for _, id in ipairs { "stale-sie-close", "stale-sie-503" } do
    t.check(id, stale(2, ", stale-if-error=60"), { drop = true, type = "cached" })
  end
  for directive, value in pairs { ["must-revalidate"] = "", ["proxy-revalidate"] = "",
    ["no-cache"] = "", ["s-maxage"] = "=2" } do
    t.required("stale-close-" .. directive .. value, stale(2, ", " .. directive .. value),
      { drop = true, expect_status = false, expect_text = false,
        missing = { "Server-Request-Count" } })
  end
  t.no(UNUSED, "stale-warning-stored",
    { res = { { "Expires", -5000 }, { "Last-Modified", -100000 }, { "Date", 0 } },
      setup = true, pause = true },
    { drop = true, type = "cached", expect = { { "Warning" } } })
  t.no(UNUSED, "stale-warning-become", t.becomes_stale(),
    { drop = true, type = "cached", expect = { { "Warning" } } })
end
