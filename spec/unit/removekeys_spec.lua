-- SPDX-License-Identifier: MIT

local cjson = require "cjson"
local ffi = require "ffi"
local C = require("support.unit").load("wire/removekeys.h", "base/mem.h")

local INVAL = tonumber(C.ERR_INVAL)

local function put(group, keys)
  local b, list = ffi.new "struct buf", ffi.new("struct key[?]", #keys + 1)
  for i, key in ipairs(keys) do
    list[i - 1].bytes, list[i - 1].n = key, #key
  end
  C.buf_init(b, 0)
  assert.equal(0, tonumber(C.removekeys_put(b, group, #group, list, #keys)))
  local text = ffi.string(b.data, b.len)
  C.buf_deinit(b)
  return text
end

-- The keys; or nil, code, message.
local function decode(text, max)
  local b, e = ffi.new "struct buf", ffi.new "struct error"
  local copy = ffi.cast("char *", C.mem_alloc(#text))
  ffi.copy(copy, text, #text)
  C.buf_init(b, max or 0)
  local code = tonumber(C.removekeys_decode(copy, #text, b, e))
  C.mem_free(copy)
  local keys, at, key = {}, ffi.new "size_t[1]", ffi.new "struct key"
  while code == 0 and C.removekeys_next(b, at, key) == 1 do
    keys[#keys + 1] = ffi.string(key.bytes, key.n)
  end
  C.buf_deinit(b)
  if code == 0 then
    return keys
  end
  assert.equal(code, tonumber(e.code))
  return nil, code, ffi.string(e.msg)
end

local function refused(text, flaw)
  local keys, code, said = decode(text)
  assert.is_nil(keys, text)
  assert.equal(INVAL, code)
  flaw = flaw or "malformed JSON near byte %d+"
  assert.matches("^invalid request: " .. flaw .. " of " .. #text .. "$", said)
end

describe("a RemoveKeysRequest", function()
  it("is written as Go's encoding/json writes it", function()
    assert.equal('{"group":"g","keys":["a","b"]}', put("g", { "a", "b" }))
    assert.equal('{"group":"g","keys":[]}', put("g", {}))
    assert.equal([[{"group":"\u003cg\u003e","keys":["a\u0026b","\"\\","\n\r\t\u0001","é/"]}]],
      put("<g>", { "a&b", '"\\', "\n\r\t\1", "é/" }))
    assert.equal([[{"group":"","keys":["\u2028x\u2029","\u0000"]}]],
      put("", { "\226\128\168x\226\128\169", "\0" }))
  end)

  it("is read as Go writes it", function()
    assert.same({ "a", "b" }, decode '{"group":"g","keys":["a","b"]}')
    assert.same({ "a&b", '"\\', "\n\r\t\1", "<>" },
      decode [[{"group":"\u003cg\u003e","keys":["a\u0026b","\"\\","\n\r\t\u0001","\u003c\u003e"]}]])
    assert.same({}, decode '{"group":"g"}')
    assert.same({}, decode '{"group":"g","keys":[]}')
    assert.same({}, decode "{}")
    assert.same({ "" }, decode '{"keys":[""]}')
  end)

  it("may have any other members, and spaces", function()
    assert.same({ "a" }, decode [[ { "x" : { "keys" : [ "no" , 1 ] , "y" : [ [ ] , { } ] } ,
      "n" : -1.5e+10 , "t" : true , "keys" : [ "a" ] , "f":false,"z":null } ]])
    assert.same({ "b" }, decode '{"keys":["a","c"],"keys":["b"]}')
  end)

  it("is read back, for every text that can be said", function()
    math.randomseed(131)
    local some = { "a", '"', "\\", "/", "<", "&", "\0", "\n", "é", "\226\128\168",
      "\240\159\152\128", "\239\191\191", "\127", "]", "," }
    for _ = 1, 2000 do
      local keys = {}
      for i = 1, math.random(0, 4) do
        local parts = {}
        for j = 1, math.random(0, 6) do
          parts[j] = some[math.random(#some)]
        end
        keys[i] = table.concat(parts)
      end
      local text = put("g", keys)
      assert.same(keys, decode(text))
      assert.same(keys, cjson.decode(text).keys)
    end
  end)

  it("reads every escape, pairs of surrogates too", function()
    assert.same({ "\8\12\n\r\t/\"\\" }, decode [[{"keys":["\b\f\n\r\t\/\"\\"]}]])
    assert.same({ "\240\159\152\128", "é", "\226\130\172" },
      decode [[{"keys":["\uD83D\ude00","\u00e9","\u20aC"]}]])
  end)

  it("takes U+FFFD, which Go's nodes send for bytes outside UTF-8, as any other key",
    function()
      local replaced = "\239\191\189"
      assert.same({ replaced, replaced }, decode('{"keys":["\\ufffd","' .. replaced .. '"]}'))
    end)

  it("is refused with half of a surrogate pair, of which Go's nodes send none", function()
    for _, half in ipairs { [[\ude00]], [[\ud83d]], [[\ud83dx]], [[\ud83d\u0041]],
      [[\ud83d\ud83d\ude00]], [[\uD83D\n]], [[\ud83d\\ude00]], [[\udfff\ud800]] } do
      refused(('{"keys":["ok","é%s"]}'):format(half), "half of a surrogate pair at byte 17")
      refused(('{"x":"%s"}'):format(half), "half of a surrogate pair at byte 6")
    end
    refused([[{"keys":["\ud83d\ude0"]}]], "half of a surrogate pair at byte 10")
  end)

  it("keeps raw bytes outside UTF-8, so it never names another key", function()
    for _, bytes in ipairs { "\255", "\192\128", "\237\160\189\237\184\128", "a\195" } do
      assert.same({ bytes }, decode('{"keys":["' .. bytes .. '"]}'))
    end
  end)

  it("is refused when it is cut anywhere", function()
    local whole = [[{"group":"g\n","x":[1,{"y":"z"}],"keys":["a","\ud83d\ude00","c"]}]]
    assert.same({ "a", "\240\159\152\128", "c" }, decode(whole))
    local at = whole:find([[\ud83d]], 1, true)
    for n = 0, #whole - 1 do
      local halved = n >= at + 5 and n < at + 11
      refused(whole:sub(1, n), halved and "half of a surrogate pair at byte " .. at - 1 or nil)
    end
  end)

  it("is refused when it is something else", function()
    for _, text in ipairs { "null", "[]", '"keys"', "{} {}", "{}x", '{"keys":"a"}', '{"keys":[1]}',
      '{"keys":[null]}', '{"keys":["a",]}', '{"keys":["a"],}', '{"keys":["a" "b"]}', "{keys:[]}",
      '{"keys":["\n"]}', [[{"keys":["\x"]}]], [[{"keys":["\u12g4"]}]], '{"a":}', '{"a"}', "\0",
      '{"a":\0}', '{"keys":["\\\0"]}', "{\0}" } do
      refused(text)
    end
  end)

  it("may be nested, but not for ever", function()
    local function nested(n)
      return '{"x":' .. ("["):rep(n) .. ("]"):rep(n) .. ',"keys":["a"]}'
    end
    assert.same({ "a" }, decode(nested(32)))
    refused(nested(33))
    refused('{"x":' .. ("["):rep(1000000))
    refused('{"x":' .. ('{"y":'):rep(100000))
  end)

  it("survives garbage and flipped bits", function()
    math.randomseed(137)
    local good = [[{"group":"g","x":[1,"y"],"keys":["a","\u00e9"]}]]
    for _ = 1, 20000 do
      local at = math.random(#good)
      local c = math.random(2) == 1 and math.random(0, 255) or ('{}[]:,"\\u'):byte(math.random(9))
      decode(good:sub(1, at - 1) .. string.char(c) .. good:sub(at + 1))
    end
  end)

  it("says when there is no room for its keys", function()
    local keys, code = decode('{"keys":["' .. ("a"):rep(1000) .. '"]}', 100)
    assert.is_nil(keys)
    assert.equal(tonumber(C.ERR_TOOBIG), code)
  end)

  it("tells what it can say: UTF-8", function()
    for text, can in pairs {
      [""] = 1, ["key"] = 1, ["\0"] = 1, ["é"] = 1, ["\226\130\172"] = 1, ["\240\159\152\128"] = 1,
      ["\237\159\191"] = 1, ["\238\128\128"] = 1, ["\244\143\191\191"] = 1,
      ["\255"] = 0, ["\128"] = 0, ["a\195"] = 0, ["\226\130"] = 0, ["\240\159\152"] = 0,
      ["\192\128"] = 0, ["\193\191"] = 0, ["\224\159\191"] = 0, ["\237\160\128"] = 0,
      ["\240\143\191\191"] = 0, ["\244\144\128\128"] = 0, ["\245\128\128\128"] = 0,
      ["\195\40"] = 0, ["\226\40\161"] = 0, ["\226\130\40"] = 0,
    } do
      assert.equal(can, C.removekeys_can_say(text, #text), ("%q"):format(text))
    end
  end)
end)
