-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load("http/conditional.h")

local function tag(value)
  local out = ffi.new("char[?]", tonumber(C.ETAG_BYTES))
  C.conditional_etag_print(C.conditional_etag(value, #value), out)
  return ffi.string(out)
end

describe("an ETag", function()
  it("is strong, quoted, and the same everywhere for the same bytes", function()
    assert.equal('"d1fba762150c532c"', tag "") -- clients keep it: it may not change
    assert.matches('^"%x+"$', tag "a\0b")
    assert.equal(18, #tag(("x"):rep(100000)))
    assert.not_equal(tag "a", tag "b")
    assert.not_equal(tag "a", tag "a\0")
  end)

  local etag = tag "value"

  it("is found in If-None-Match, weakly, or by an asterisk", function()
    local function matches(list)
      return C.conditional_etag_matches(list, etag) == 1
    end
    for _, list in ipairs { etag, " " .. etag .. " ", "W/" .. etag, '"a", ' .. etag, '"a",' .. etag,
      'W/"a" , W/' .. etag .. ', "b"', '"a,b",' .. etag, '"",' .. etag, "*", " * ", "," .. etag } do
      assert.is_true(matches(list), list)
    end
    for _, list in ipairs { "", '""', '"a"', etag:sub(2), etag:sub(1, -2), etag:gsub('"', ""),
      "w/" .. etag, '"a" x ' .. etag, "**", "* " .. etag, '"' .. etag, etag:upper() .. "x" } do
      assert.is_false(matches(list), list)
    end
  end)

  it("of a value that has none is matched by an asterisk alone", function()
    assert.equal(1, C.conditional_etag_matches("*", nil))
    assert.equal(0, C.conditional_etag_matches('"a"', nil))
    assert.equal(0, C.conditional_etag_is('"a"', nil))
  end)

  it("is compared strongly in If-Range", function()
    assert.equal(1, C.conditional_etag_is(etag, etag))
    assert.equal(1, C.conditional_etag_is(" " .. etag .. "\t", etag))
    for _, other in ipairs { "W/" .. etag, etag .. ",", etag .. etag, "*", '"a"', "",
      "Sat, 29 Oct 1994 19:43:31 GMT" } do
      assert.equal(0, C.conditional_etag_is(other, etag))
    end
  end)
end)

describe("a Range", function()
  local function range(text, n)
    local first, last = ffi.new "uint64_t[1]", ffi.new "uint64_t[1]"
    local kind = tonumber(C.conditional_range(text, n, first, last))
    if kind == tonumber(C.RANGE_PART) then
      return { tonumber(first[0]), tonumber(last[0]) }
    end
    return kind == tonumber(C.RANGE_NONE) and "none" or "whole"
  end

  it("is one part of the value", function()
    for text, want in pairs {
      ["bytes=0-0"] = { 0, 0 }, ["bytes=0-9"] = { 0, 9 }, ["bytes=3-5"] = { 3, 5 },
      ["bytes=9-9"] = { 9, 9 }, ["bytes=5-99"] = { 5, 9 }, ["bytes=4-"] = { 4, 9 },
      ["bytes=0-"] = { 0, 9 }, ["bytes=-3"] = { 7, 9 }, ["bytes=-10"] = { 0, 9 },
      ["bytes=-99"] = { 0, 9 }, ["Bytes= 1-2 "] = { 1, 2 }, ["bytes=007-008"] = { 7, 8 },
      ["bytes=1-99999999999999999999999"] = { 1, 9 }, ["bytes=-99999999999999999999"] = { 0, 9 },
    } do
      assert.same(want, range(text, 10), text)
    end
  end)

  it("may have nothing of the value", function()
    for _, text in ipairs { "bytes=10-", "bytes=10-11", "bytes=99999999999999999999-",
      "bytes=-0" } do
      assert.equal("none", range(text, 10), text)
    end
    assert.equal("none", range("bytes=0-", 0))
  end)

  it("is not served when it is malformed, of another unit, or several", function()
    for _, text in ipairs { "", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=1", "bytes=5-3",
      "bytes=1-2,4-5", "bytes=1-2,", "bytes=,1-2", "bytes=--1", "bytes=1--2", "bytes=+1-2",
      "bytes=1-2x", "items=1-2", "bytes 1-2", "bytes=1 - 2", "bytes=-3-4" } do
      assert.equal("whole", range(text, 10), text)
    end
    assert.equal("whole", range(nil, 10))
    assert.equal("whole", range("bytes=-5", 0))
  end)
end)

describe("max-age", function()
  local function max_age(text)
    local seconds = ffi.new "uint64_t[1]"
    local there = C.conditional_max_age(text, seconds)
    return there == 1 and tonumber(seconds[0]) or there == 0 and "none" or "bad"
  end

  it("is found among the directives of Cache-Control", function()
    for text, want in pairs {
      ["max-age=0"] = 0, ["max-age=60"] = 60, ["MAX-AGE=7"] = 7, ['max-age="8"'] = 8,
      ["no-store, max-age=9"] = 9, ["private,max-age=10 , x"] = 10,
      ['private="a, max-age=1", max-age=2'] = 2, ["s-maxage=5"] = "none", ["no-cache"] = "none",
      [""] = "none", ["max-ages=5"] = "none", ['x="'] = "none",
    } do
      assert.equal(want, max_age(text), text)
    end
    assert.equal("none", max_age(nil))
    assert.is_true(max_age "max-age=99999999999999999999" > 1e19)
  end)

  it("must be a number of seconds", function()
    for _, text in ipairs { "max-age", "max-age=", "max-age=x", "max-age=-1", "max-age=1.5",
      "max-age,", "max-age=1s", "no-store, max-age = " } do
      assert.equal("bad", max_age(text), text)
    end
  end)
end)
