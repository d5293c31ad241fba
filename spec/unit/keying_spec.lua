-- SPDX-License-Identifier: MIT

-- What a query and headers add to a key, by a group's rules; and the parts of such a key.

jit.off(true, true) -- the code under test calls back into Lua

local ffi = require "ffi"
local C = require("support.unit").load("http/keying.h", "base/buf.h")

-- Runs fn with a buf, and returns what it has written.
local function written(fn)
  local b = ffi.new "struct buf"
  C.buf_init(b, 0)
  fn(b)
  assert.equal(0, tonumber(b.failed))
  local text = b.len > 0 and ffi.string(b.data, b.len) or ""
  C.buf_deinit(b)
  return text
end

local function query(rules, text)
  return written(function(b) C.keying_put_query(b, rules, text) end)
end

local headers
local put_header = ffi.cast("void (*)(void *, const char *, struct buf *)",
  function(_, name, value)
    C.buf_puts(value, headers[ffi.string(name)] or "")
  end)

local function vary(rules, of)
  headers = of
  return written(function(b) C.keying_put_vary(b, rules, put_header, nil) end)
end

local function choice(words, header)
  return vary("vary accept-language " .. words .. "\n", { ["accept-language"] = header })
    :match "^#accept%-language=(.*)$"
end

describe("a query", function()
  it("is taken as it is without a rule", function()
    for _, text in ipairs { "", "a", "b=1&a=2", "&&", "a=%41&a", "?" } do
      assert.equal("?" .. text, query("", text))
    end
  end)

  it("is sorted by names; pairs of one name keep their order", function()
    assert.equal("?a=2&b=1", query("sort\n", "b=1&a=2"))
    assert.equal("?a=2&a=1&aa=0&b", query("sort\n", "b&a=2&aa=0&a=1"))
    assert.equal("?=1&a", query("sort\n", "&a&&=1&"))
    assert.equal("", query("sort\n", ""))
    assert.equal("", query("sort\n", "&&"))
  end)

  it("has only the pairs that are named, in any spelling", function()
    local rules = "name page\nname q q\n"
    assert.equal("?page=2", query(rules, "utm=x&page=2&pages=3"))
    assert.equal("?q+q=1&q%20q=2&%71%20q=3&page",
      query(rules, "q+q=1&q%20q=2&qq=0&%71%20q=3&%7=4&page"))
    assert.equal("", query(rules, "utm=x&PAGE=1"))
    assert.equal("?a=1&page=2", query("name a\nname page\nsort\n", "page=2&x=3&a=1"))
  end)

  it("may be long", function()
    local parts = {}
    for i = 1, 5000 do
      parts[i] = ("%d=%d"):format(i * 7919 % 10007, i)
    end
    local sorted = query("sort\n", table.concat(parts, "&"))
    local n, last = 0, ""
    for name in sorted:gmatch "[?&](%d+)=" do
      assert.is_true(last < name)
      n, last = n + 1, name
    end
    assert.equal(5000, n)
  end)
end)

describe("headers that vary", function()
  it("are put in one spelling", function()
    local rules = "sort\nvary accept\nvary x-a\n"
    assert.equal("#accept=&x-a=", vary(rules, {}))
    assert.equal("#accept=text%2Fhtml%2Ca%3Bq%3D1&x-a=one%20two",
      vary(rules, { accept = " Text/HTML ,\t a ; q=1 ", ["x-a"] = "ONE  \t two" }))
    assert.equal("#accept=%23%26%3D%25&x-a=%2E",
      vary(rules, { accept = "#&=%", ["x-a"] = "." }))
    assert.equal("", vary("sort\n", {}))
    assert.equal(1, C.keying_varies(rules))
    assert.equal(0, C.keying_varies "sort\nname vary\n")
  end)

  it("choose from a list by their weights, and the first if they like none", function()
    assert.equal("de", choice("de en fr", "de"))
    assert.equal("en", choice("de en fr", "en-GB,en;q=0.9,de;q=0.8"))
    assert.equal("de", choice("de en fr", "de-AT, en;q=0.9"))
    assert.equal("fr", choice("de en fr", "de;q=0.1, en;q=0.2, FR;q=0.3"))
    assert.equal("de", choice("de en fr", "it"))
    assert.equal("de", choice("de en fr", ""))
    assert.equal("de", choice("de en fr", "*"))
    assert.equal("en", choice("de en fr", "de;q=0, *;q=0.5"))
    assert.equal("en", choice("de en", "de;q=x, en;q=0.001"))
    assert.equal("en", choice("de en", ";;,,=;q=,en ; q=0.5,de;Q=0.4"))
    assert.equal("de", choice("de den", "den;q=0.5,de"))
    assert.equal("en-us", choice("en-gb en-us", "en-us,en;q=0.5"))
  end)

  it("are named for the caches behind", function()
    local out = ffi.new("char[?]", C.KEYING_VARY_BYTES)
    C.keying_vary_names("sort\nvary accept-language de en\nvary x-a\n", out)
    assert.equal("accept-language, x-a", ffi.string(out))
    C.keying_vary_names("sort\n", out)
    assert.equal("", ffi.string(out))
    C.keying_vary_names(("vary " .. ("x"):rep(100) .. "\n"):rep(20), out)
    assert.is_true(#ffi.string(out) < tonumber(C.KEYING_VARY_BYTES))
  end)

  it("may be a function of one to three arguments instead", function()
    assert.equal(2, C.keying_function "function 2\n")
    for _, other in ipairs { "", "sort\n", "name function\n", "vary function\n" } do
      assert.equal(0, C.keying_function(other))
    end
    assert.equal(0, C.keying_varies "function 3\n")
  end)
end)
