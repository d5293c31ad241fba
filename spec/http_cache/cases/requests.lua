-- SPDX-License-Identifier: MIT

--- What requests say: their Cache-Control and Pragma, and the headers that Vary names.

local function of_directives(t)
  local cc = t.cc
  local function asks(id, who, headers, directive, pause)
    t.once("check", "ccreq-" .. id, who, headers,
      { second = { { "Cache-Control", directive } }, pause = pause })
  end
  local LONG = cc("max-age=100000", { { "Date", 0 } })

  asks("ma0", "not_cached", LONG, "max-age=0", true)
  asks("ma1", "not_cached", LONG, "max-age=1", true)
  asks("magreaterage", "not_cached", cc("max-age=3600", { { "Age", "1800" } }), "max-age=600")
  asks("max-stale", "cached", cc "max-age=1", "max-stale=1000", true)
  asks("max-stale-age", "cached", cc("max-age=1500", { { "Age", "2000" } }), "max-stale=1000")
  asks("min-fresh", "not_cached", cc "max-age=1500", "min-fresh=2000")
  asks("min-fresh-age", "not_cached", cc("max-age=1500", { { "Age", "1000" } }),
    "min-fresh=1000")
  asks("no-cache", "not_cached", cc "max-age=3600", "no-cache")
  asks("no-cache-lm", "lm", cc("max-age=3600", { { "Last-Modified", -10000 }, { "Date", 0 } }),
    "no-cache")
  asks("no-cache-etag", "etag", cc("max-age=3600", { { "ETag", '"abc"' } }), "no-cache")
  asks("no-store", "not_cached", cc "max-age=3600", "no-store")
  t.check("ccreq-oic", { headers = { { "Cache-Control", "only-if-cached" } },
    expect_status = 504, expect_text = false })
  t.once("check", "pragma-request-no-cache", "cached", cc "max-age=3600",
    { second = { { "Pragma", "no-cache" } } })
  t.once("check", "pragma-request-extension", "cached", cc "max-age=3600",
    { second = { { "Pragma", "unrecognised-extension" } } })
  t.once("check", "pragma-response-no-cache", "cached",
    cc("max-age=3600", { { "Pragma", "no-cache" } }))
  t.once("check", "pragma-response-no-cache-heuristic", "cached",
    { { "Date", 0 }, { "Last-Modified", -10000 }, { "Pragma", "no-cache" } })
  t.once("check", "pragma-response-extension", "cached",
    cc("max-age=3600", { { "Pragma", "unrecognised-extension" } }))
end

local function of_vary(t)
  local function res(names, more)
    local out = t.cc("max-age=5000", { { "Last-Modified", -3000 }, { "Date", 0 } })
    for _, name in ipairs(type(names) == "table" and names or { names }) do
      out[#out + 1] = { "Vary", name, false }
    end
    out[#out + 1] = more
    return out
  end
  local function vary(kind, id, who, names, first, second, more)
    return t[kind]("vary-" .. id, { headers = first, res = res(names, more), setup = true },
      { headers = second, type = who })
  end
  local F1, F2, F1BAR = { { "Foo", "1" } }, { { "Foo", "2" } }, { { "Foo", "1" }, { "Bar", "abc" } }
  local THREE = { { "Foo", "1" }, { "Bar", "abc" }, { "Baz", "789" } }
  local BAZ = { { "Foo", "1" }, { "Baz", "789" } }

  vary("optional", "match", "cached", "Foo", F1, F1)
  vary("required", "no-match", "not_cached", "Foo", F1, F2)
  vary("required", "omit-stored", "not_cached", "Foo", nil, F1)
  vary("required", "omit", "not_cached", "Foo", F1, nil)
  t.optional("vary-invalidate", { headers = F1, res = res "Foo", text = "foo_1", setup = true },
    { headers = F2, res = res "Foo", text = "foo_2", type = "not_cached", setup = true },
    { headers = F1, text = "foo_1", type = "cached" })
  vary("optional", "cache-key", "cached", "Foo", { { "Foo", "1" }, { "Other", "2" } },
    { { "Foo", "1" }, { "Other", "3" } })
  vary("optional", "2-match", "cached", "Foo, Bar", F1BAR, F1BAR)
  vary("required", "2-no-match", "not_cached", "Foo, Bar", F1BAR,
    { { "Foo", "2" }, { "Bar", "abc" } })
  vary("required", "2-match-omit", "not_cached", "Foo, Bar", F1BAR, nil)
  vary("optional", "3-match", "cached", "Foo, Bar, Baz", THREE, THREE)
  vary("required", "3-no-match", "not_cached", "Foo, Bar, Baz", THREE,
    { { "Foo", "2" }, { "Bar", "abc" }, { "Baz", "789" } })
  vary("required", "3-order", "not_cached", "Foo, Bar, Baz", THREE,
    { { "Foo", "1" }, { "Baz", "789" }, { "Bar", "abcde" } })
  vary("optional", "3-omit", "cached", "Foo, Bar, Baz", BAZ, BAZ)
  vary("required", "star", "not_cached", "*", BAZ, BAZ)
  for id, names in pairs { star = "*", ["star-star"] = "*, *", ["star-star-lines"] = { "*", "*" },
    ["empty-star"] = ", *", ["empty-star-lines"] = { "", "*" }, ["star-foo"] = "*, Foo",
    ["foo-star"] = "Foo, *" } do
    vary("required", "syntax-" .. id, "not_cached", names, BAZ, BAZ)
  end

  vary("optional", "normalise-space", "cached", "Foo", { { "Foo", "1,2" } },
    { { "Foo", " 1, 2 " } })
  vary("optional", "normalise-combine", "cached", "Foo", { { "Foo", "1, 2" } },
    { { "Foo", "1" }, { "Foo", "2" } })
  local function language(id, value, more)
    return vary("optional", "normalise-lang-" .. id, "cached", "Accept-Language",
      { { "Accept-Language", "en, de" } }, { { "Accept-Language", value } }, more)
  end
  language("case", "eN, De")
  language("space", " en ,   de")
  language("order", "de, en").fails = "origins may take the first language of equal ones"
  language("select", "fr;q=0.5, de;q=1.0", { "Content-Language", "de" }).fails =
    "the origin chooses the language: only it knows which it has"
end

return function(t)
  of_directives(t)
  of_vary(t)
end
