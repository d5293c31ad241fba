-- SPDX-License-Identifier: MIT

-- The rules of an HTTP cache about answers, without nodes.

local directives = require "groupcache.http_cache.directives"
local headers = require "groupcache.http_cache.headers"
local message = require "groupcache.http_cache.message"
local rules = require "groupcache.http_cache.rules"

local NOW = 1795910400

local function http_date(at)
  return os.date("!%a, %d %b %Y %H:%M:%S GMT", at)
end

describe("directives", function()
  it("are names with values, in any case and order, quoted or not", function()
    assert.same({ ["max-age"] = "60", private = "a, b", x = "y\\\"z, max-age=1",
      ["no-store"] = true },
      directives.parse 'Max-Age=60 ,, private="a, b", x="y\\"z, max-age=1",No-Store')
  end)

  it("with blanks around the equals sign have no number", function()
    assert.is_nil(directives.parse("max-age =60")["max-age"])
    assert.is_nil(directives.seconds(directives.parse("max-age= 60")["max-age"]))
  end)

  it("that are repeated count as they came first", function()
    assert.equal("1", directives.parse("max-age=1, max-age=2")["max-age"])
  end)

  it("have seconds of digits alone, up to 2^31", function()
    assert.same({ 0, 60, 2 ^ 31 }, { directives.seconds "0", directives.seconds "0060",
      directives.seconds "99999999999" })
    for _, text in ipairs { "", "-1", "1.5", "1a", "a1", "'1'", "0x10", " 1" } do
      assert.is_nil(directives.seconds(text), text)
    end
  end)

  it("of a CDN-Cache-Control are a dictionary of structured fields, or nothing", function()
    assert.same({ ["max-age"] = "60", foobar = true, a = "=b" },
      directives.parse_structured "foobar,  max-age=60;x=1, a=b")
    for _, text in ipairs { "Max-Age=60", 'max-age="60"', "max-age= 60", "max-age =60", "&&&",
      "max-age=60, &", "max-age=60,", "max-age=-60", "max-age=1.5", "max-age" } do
      assert.is_nil(directives.parse_structured(text), text)
    end
  end)
end)

local O = { heuristic = 0.1, heuristic_max = 86400, keep = 3600, stale_while_revalidate = 0,
  stale_if_error = 0 }

local function judge(status, list, authorized, took_s)
  return rules.judge({ status = status, headers = list }, { authorized = authorized,
    asked_s = NOW - (took_s or 0), now_s = NOW }, O)
end

describe("an answer", function()
  it("is as old as its Age, the time of its request and its Date say", function()
    local function age(list, took_s)
      return judge(200, list, false, took_s).age
    end
    assert.equal(0, age {})
    assert.equal(7, age({}, 7))
    assert.equal(37, age({ { "age", "30" } }, 7))
    assert.equal(100, age({ { "age", "30" }, { "date", http_date(NOW - 100) } }, 7))
    assert.equal(37, age({ { "age", "30" }, { "date", http_date(NOW + 100) } }, 7))
    assert.equal(30, age { { "age", "30, 5" } })
    assert.equal(30, age { { "age", "30;a=b" } })
    for _, text in ipairs { "30.0", "30s", "-30", "x30", "" } do
      assert.equal(0, age { { "age", text } })
    end
  end)

  it("is fresh by the most exact word of its origin", function()
    local E, L = { "expires", http_date(NOW + 50) }, { "last-modified", http_date(NOW - 1000) }
    local D = { "date", http_date(NOW) }
    local function life(...)
      return judge(200, { D, ... }).life
    end
    assert.equal(100, life(L))
    assert.equal(86400, life { "last-modified", http_date(NOW - 86400 * 1000) })
    assert.equal(50, life(L, E))
    assert.equal(20, life(L, E, { "cache-control", "max-age=20" }))
    assert.equal(10, life(L, E, { "cache-control", "max-age=20, s-maxage=10" }))
    assert.equal(5, life(L, E, { "cache-control", "s-maxage=10" },
      { "cdn-cache-control", "max-age=5" }))
    assert.equal(0, life(L, { "expires", "0" }))
    assert.equal(0, life(L, E, { "cache-control", "max-age=x" }))
  end)

  it("is kept by a shared cache only if everybody may have it", function()
    local function store(cc, status, authorized)
      return judge(status or 200, { { "cache-control", cc }, { "etag", '"a"' } }, authorized).store
    end
    for cc, kept in pairs { ["max-age=5"] = true, ["public"] = true, ["no-cache"] = true,
      ["private"] = false, ["no-store"] = false, ["private=\"a\", max-age=5"] = true,
      ["max-age=5, no-store"] = false, ["no-store, must-understand, max-age=5"] = true } do
      assert.equal(kept, store(cc), cc)
    end
    assert.is_false(store("max-age=5", 206))
    assert.is_false(store("max-age=5, must-understand", 599))
    assert.is_true(store("max-age=5", 599))
    assert.is_false(store("", 201))
    assert.is_false(store("max-age=5", 200, true))
    for _, cc in ipairs { "public", "s-maxage=5", "must-revalidate" } do
      assert.is_true(store(cc, 200, true), cc)
    end
    assert.is_false(judge(200, { { "cache-control", "max-age=5" }, { "vary", "a, *" } }).store)
  end)

  it("stands in for an error while it may", function()
    local function may(fact, disconnected, asked)
      fact.stale_s = 10
      return rules.may_stand_in(fact, disconnected, asked, O)
    end
    assert.is_true(may({}, true))
    assert.is_false(may({}, false))
    assert.is_true(may({ sie = 11 }, false))
    assert.is_false(may({ sie = 10 }, true))
    assert.is_true(may({}, false, 11))
    assert.is_false(may({ strict = true, sie = 11 }, true))
    assert.is_false(may({ check = true, sie = 11 }, true))
  end)

  it("is the same once it was written and read", function()
    local answer = { status = 203, body = "a\r\n\r\nb\0", headers = { { "etag", '"a"' },
      { "vary", "Foo, Bar" }, { "set-cookie", "a=b" }, { "set-cookie", "c=d" },
      { "cache-control", 'max-age=60, must-revalidate, stale-if-error=5, private="set-cookie"' } } }
    local fact = rules.judge(answer, { asked_s = NOW, now_s = NOW }, O)
    local vary = message.vary(answer.headers, { { "bar", "1" }, { "bar", "2" } })
    assert.same({ { "foo", "" }, { "bar", "1, 2" } }, vary)
    local bytes, ttl = message.write(answer, fact, { id = ("0"):rep(16), epoch = ("a"):rep(16),
      vary = vary })
    assert.equal(3660, ttl)
    local kept = message.read(bytes)
    assert.same({ 203, "a\r\n\r\nb\0", 60, 3600, 5, true, false, ("a"):rep(16) }, { kept.status,
      kept.body, kept.life, kept.keep, kept.sie, kept.strict, kept.check, kept.epoch })
    assert.same(vary, kept.vary)
    assert.is_nil(headers.get(kept.headers, "set-cookie"))
    assert.is_true(message.is_of(kept, { { "bar", "1, 2" }, { "other", "x" } }))
    assert.is_false(message.is_of(kept, { { "bar", "1" } }))
    assert.is_nil(message.read "no message")
  end)

  it("that confirms a kept one replaces its headers, and no others", function()
    assert.same({ { "a", "1" }, { "b", "3" } },
      headers.update({ { "a", "1" }, { "b", "2" }, { "b", "4" } }, { { "b", "3" } }))
  end)
end)
