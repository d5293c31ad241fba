-- SPDX-License-Identifier: MIT

local cjson = require "cjson"
local ffi = require "ffi"
local C = require("support.unit").load("wire/keylist.h", "base/utf8.h", "base/mem.h", "base/err.h")

local INVAL, NOMEM = tonumber(C.ERR_INVAL), tonumber(C.ERR_NOMEM)

-- The keys, and whether they are to be removed; or nil, code, message.
local function decode(json, max, max_key)
  local copy = ffi.cast("char *", C.mem_alloc(#json))
  ffi.copy(copy, json, #json)
  local out, e = ffi.new "struct keylist", ffi.new "struct error"
  local code = tonumber(C.keylist_decode(copy, #json, max or 100, max_key or 100, out, e))
  C.mem_free(copy) -- the keys are the list's own
  local keys = {}
  for i = 0, tonumber(out.n) - 1 do
    keys[i + 1] = ffi.string(out.list[i].bytes, out.list[i].n)
  end
  C.keylist_deinit(out)
  if code == 0 then
    return keys, out.ask == C.KEYLIST_REMOVE
  end
  return nil, code, ffi.string(e.msg)
end

local function built(fn)
  local b = ffi.new "struct buf"
  C.buf_init(b, 0)
  C.keylist_put_begin(b)
  fn(b)
  C.keylist_put_end(b)
  assert.equal(0, tonumber(b.failed))
  local text = ffi.string(b.data, b.len)
  C.buf_deinit(b)
  return text
end

local function key(text)
  return ffi.new("struct key", { text, #text })
end

local function unbase64(text)
  local digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
  local out = {}
  for four in text:gmatch "...." do
    local n, pad = 0, #four:match "=*$"
    for c in four:gmatch "." do
      n = n * 64 + (c == "=" and 0 or digits:find(c, 1, true) - 1)
    end
    out[#out + 1] = string.char(math.floor(n / 65536), math.floor(n / 256) % 256, n % 256)
      :sub(1, 3 - pad)
  end
  return table.concat(out)
end

describe("a list of keys", function()
  after_each(function()
    C.mem_fail_after(-1)
  end)

  it("is a JSON list of strings", function()
    for json, want in pairs {
      ["[]"] = {}, [' [ ] \n'] = {}, ['["a"]'] = { "a" }, ['\r\n[ "a" ,\t"b" ]'] = { "a", "b" },
      ['["","",""]'] = { "", "", "" }, ['["a\\u0000b","\\"\\\\\\/\\n"]'] = { "a\0b", '"\\/\n' },
      ['["\\u00e9","é","\\ud83d\\ude00"]'] = { "é", "é", "\240\159\152\128" },
    } do
      assert.same(want, decode(json))
    end
  end)

  it("may be named: the keys are to be removed", function()
    for json, want in pairs {
      ['{"remove":[]}'] = {}, [' { "remove" : [ "a", "b" ] } '] = { "a", "b" },
      ['{"\\u0072emove":["remove"]}'] = { "remove" },
    } do
      assert.same({ want, true }, { decode(json) })
    end
    assert.same({ { "a" }, false }, { decode '["a"]' })
    assert.equal('the body has a list named "' .. ("x"):rep(40) .. '": it may be a JSON list of '
      .. 'strings, or {"remove": [...]}', select(3, decode('{"' .. ("x"):rep(99) .. '":["a"]}')))
  end)

  it("agrees with cjson on 500 random ones", function()
    math.randomseed(91)
    for _ = 1, 500 do
      local keys = {}
      for i = 1, math.random(1, 40) do
        local bytes = {}
        for at = 1, math.random(0, 20) do
          bytes[at] = string.char(math.random(0, 127))
        end
        keys[i] = table.concat(bytes)
      end
      assert.same(keys, decode(cjson.encode(keys)))
    end
  end)

  it("is nothing else", function()
    for _, json in ipairs { "", " ", "[", "]", '["a"', '["a",', '["a",]', "[,]", '["a" "b"]', "[1]",
      "[null]", '[["a"]]', '{"keys":["a"]}', '"a"', '["a"]x', '["a"][]', "['a']", '["a]', '["\\x"]',
      '["\\u12"]', '["a\nb"]', "[\"a\0b\"]", '["a"]\0', "\239\187\191[]", "{", "{}",
      '{"remove"}', '{"remove":}', '{"remove":["a"]', '{"remove":["a"],}', '{"remove":["a"]}}',
      '{"remove":["a"],"remove":["b"]}', '{"remove" ["a"]}', '{"removes":["a"]}', '{"":["a"]}',
      '{"remov":["a"]}', '{"remove\\u0000":["a"]}', '{["a"]}', '{"\\ud83d":["a"]}' } do
      local got, code, message = decode(json)
      assert.is_nil(got, json)
      assert.equal(INVAL, code)
      assert.matches("list", message)
    end
  end)

  it("has no keys that are not UTF-8, too long or too many", function()
    for _, bad in ipairs { "\255", "\192\128", "\237\160\128", "\244\144\128\128", "a\226\130" } do
      local _, code, message = decode(('["ok","%s"]'):format(bad))
      assert.equal(INVAL, code)
      assert.equal("key 2 of the list is not UTF-8", message)
    end
    -- overlong NUL, a surrogate pair encoded as CESU-8, the first byte behind U+10FFFF
    for _, bad in ipairs { "\224\128\128", "\237\160\189\237\184\128", "\245\128\128\128" } do
      assert.equal("key 1 of the list is not UTF-8", select(3, decode(('["%s"]'):format(bad))))
    end
    assert.same({ "12345" }, decode('["12345"]', 10, 5))
    assert.equal("key 1 of the list has 6 bytes, max_key_bytes is 5",
      select(3, decode('["123456"]', 10, 5)))
    assert.equal(3, #decode('["a","b","c"]', 3))
    assert.equal("the list has more than 3 keys", select(3, decode('["a","b","c","d"]', 3)))
  end)

  it("has no half of a surrogate pair, which could make two keys one", function()
    for _, half in ipairs { [[\ude00]], [[\ud83d]], [[\ud83dx]], [[\ud83d\u0041]],
      [[\ud83d\ud83d\ude00]], [[\uD83D\n]], [[\ud83d\\ude00]], [[\udfff\ud800]] } do
      local got, code, message = decode(('["ok", "é%s"]'):format(half))
      assert.is_nil(got, half)
      assert.equal(INVAL, code)
      assert.equal("key 2 of the list has half of a surrogate pair: see byte 10 of the body",
        message)
    end
    assert.same({ "\239\191\189", "\0", "\238\128\128" },
      decode [=[["\ufffd","\u0000","\ue000"]]=])
    assert.same({ "\240\144\128\128", "\244\143\191\191" },
      decode [=[["\ud800\udc00","\uDBFF\uDFFF"]]=])
  end)

  it("says so when there is no memory", function()
    for nth = 1, 2 do
      C.mem_fail_after(nth)
      assert.equal(NOMEM, (select(2, decode '["a"]')))
    end
  end)
end)

describe("the answer to a list of keys", function()
  -- Appends a result in parts of `most` bytes [all at once].
  local function put(b, first, k, value, source, most)
    local part = ffi.new "struct keylist_part"
    repeat
      local is_whole = C.keylist_put_value(b, first, k, value, #value, source, part, most or 1e9)
    until is_whole == 1
  end

  it("has a result of each key", function()
    local e = ffi.new "struct error"
    C.error_set(e, C.ERR_NOTFOUND, "no \"such\" key")
    local text = built(function(b)
      put(b, 1, key "a", "text", "main")
      put(b, 0, key "é\n\"\0", "", "local")
      put(b, 0, key "bytes", "\0\1\255", "peer")
      C.keylist_put_error(b, 0, key "none", e)
    end)
    assert.same({ results = {
      { key = "a", value = "text", source = "main" },
      { key = "é\n\"\0", value = "", source = "local" },
      { key = "bytes", base64 = "AAH/", source = "peer" },
      { key = "none", error = "no \"such\" key", code = "NOTFOUND" },
    } }, cjson.decode(text))
    assert.equal('{"results":[]}\n', built(function() end))
  end)

  it("says any value, as text or as base64", function()
    math.randomseed(92)
    local texts, bytes = 0, 0
    for i = 1, 2000 do
      local parts = {}
      for at = 1, math.random(0, 30) do
        parts[at] = string.char(math.random(i % 2 == 0 and 32 or 0, i % 2 == 0 and 126 or 255))
      end
      local value = table.concat(parts) .. (i % 3 == 0 and "é\t\r\n" or "")
      local got = cjson.decode(built(function(b)
        put(b, 1, key "k", value, "hot", math.random(3, 12))
      end)).results[1]
      assert.equal(value, got.value or unbase64(got.base64))
      texts, bytes = texts + (got.value and 1 or 0), bytes + (got.base64 and 1 or 0)
    end
    assert.is_true(texts >= 1000 and bytes > 500)
  end)
end)

describe("utf8", function()
  it("knows text from other bytes", function()
    local function is(bytes)
      return C.utf8_valid(bytes, #bytes) == 1, C.utf8_is_text(bytes, #bytes) == 1
    end
    for _, text in ipairs { "", "a", "\t\n\r", "é", "\194\128", "\223\191", "\224\160\128",
      "\237\159\191", "\238\128\128", "\239\191\191", "\240\144\128\128", "\244\143\191\191" } do
      assert.same({ true, true }, { is(text) })
    end
    for _, text in ipairs { "\0", "\27", "a\127" } do
      assert.same({ true, false }, { is(text) })
    end
    for _, bytes in ipairs { "\128", "\191", "\193\191", "\194", "\194a", "\224\159\191",
      "\224\160", "\237\160\128", "\240\143\191\191", "\240\144\128", "\244\144\128\128",
      "\245\128\128\128", "\255", "\226\130\40", "\240\144\40\128" } do
      assert.same({ false, false }, { is(bytes) }, bytes)
      assert.same({ false, false }, { is("ok" .. bytes) })
    end
  end)
end)
