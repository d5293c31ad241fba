-- SPDX-License-Identifier: MIT

local cjson = require "cjson"
local ffi = require "ffi"
local messages = require "support.messages"
local C = require("support.unit").load("wire/json.h", "base/buf.h", "base/mem.h")

-- Runs fn(j) on a reader of a copy of the text. -> what fn returns, the place where it stands
local function reading(text, fn)
  return messages.on_copy(text, function(copy, n)
    local j = ffi.new("struct json", { copy, copy + n, nil })
    local got = fn(j)
    return got, tonumber(j.at - copy), j.flaw ~= nil and ffi.string(j.flaw) or nil
  end)
end

-- The text of a string; nil when there is none. Then the place, and the flaw.
local function text_of(json)
  return reading(json, function(j)
    local out = ffi.new "struct buf"
    C.buf_init(out, 0)
    local ok = C.json_text(j, out) == 1
    local text = ok and ffi.string(out.data, out.len) or nil
    C.buf_deinit(out)
    return text
  end)
end

local function skipped(json)
  local ok, at = reading(json, function(j)
    return C.json_skip(j) == 1
  end)
  return ok, at
end

describe("the reader of JSON", function()
  it("skips one of the expected bytes, and the space around it", function()
    local function char(text, c)
      return { reading(text, function(j) return C.json_char(j, c:byte()) end) }
    end
    assert.same({ 1, 1 }, char("[", "["))
    assert.same({ 1, 6 }, char(" \t[\r\n 1", "["))
    assert.same({ 0, 2 }, char("  ]", "["))
    assert.same({ 0, 0 }, char("", "["))
    assert.same({ 0, 0 }, char("\0", "["))
    assert.same({ 0, 0 }, char("\11[", "[")) -- a vertical tab is no space
  end)

  it("reads a string, and stops behind the space that follows", function()
    for json, text in pairs { ['""'] = "", [' "a" '] = "a", ['"\\"\\\\\\/\\b\\f\\n\\r\\t"'] =
      '"\\/\b\f\n\r\t', ['"\\u0000\\u00e9\\u20AC\\ud83d\\uDE00"'] = "\0é€\240\159\152\128",
      ['"\255"'] = "\255", ['"é"'] = "é" } do
      local got, at = text_of(json .. "x")
      assert.equal(text, got)
      assert.equal(#json, at)
    end
  end)

  it("stands at the fault of a string", function()
    for json, place in pairs { ["a"] = 0, [""] = 0, ['"a'] = 2, ['"a\n"'] = 2, ['"\\x"'] = 2,
      ['"\\u12"'] = 5, ['"\\u00g0"'] = 5, ['"a\0"'] = 2 } do
      local got, at, flaw = text_of(json)
      assert.is_nil(got, json)
      assert.equal(place, at, json)
      assert.is_nil(flaw)
    end
    for _, half in ipairs { [["a\ud83d"]], [["a\ude00"]], [["a\ud83d\u0041"]] } do
      local got, at, flaw = text_of(half)
      assert.is_nil(got)
      assert.equal(2, at)
      assert.equal("half of a surrogate pair", flaw)
    end
  end)

  it("skips values of every kind", function()
    for _, json in ipairs { "1", "-1.5e+9", "true", "false", "null", '"a\\n"', "[]", "{}",
      '[1,[2,"]"],{"a":{"}":null}}]', ' { "a" : [ ] , "b" : 2 } ' } do
      assert.same({ true, #json }, { skipped(json) }, json)
      assert.same({ true, #json }, { skipped(json .. ",") }, json)
    end
    for _, json in ipairs { "", ",", "]", "[1", "[1,", "[,]", '{"a"}', '{"a":}', "{1:2}", '"a' } do
      assert.is_false((skipped(json)), json)
    end
  end)

  it("skips no value that is nested too deeply", function()
    local most = tonumber(C.JSON_MAX_DEPTH)
    local function nested(depth)
      return ("["):rep(depth) .. ("]"):rep(depth)
    end
    assert.is_true((skipped(nested(most))))
    assert.is_false((skipped(nested(most + 1))))
    assert.is_false((skipped(("["):rep(1e6))))
  end)

  it("skips the texts that another reader takes, of 5000 spoiled ones", function()
    math.randomseed(229)
    local good, taken = [[{"a":[1,true,null,"\u00e9\n"],"b":{"c":-2.5e3}}]], 0
    for i = 1, 5000 do
      local text = messages.spoiled(good, i)
      local ok, at = skipped(text)
      if ok and at == #text then
        taken = taken + 1
      elseif pcall(cjson.decode, text) then
        assert.matches("[%z\1-\31]", text) -- cjson takes raw control bytes in strings
      end
    end
    assert.is_true(taken > 200, taken .. " taken")
  end)
end)
