-- SPDX-License-Identifier: MIT

-- The codecs gave something like the value: an id of 16 digits lost two with "json", -2^32 - 1 was
-- -1 with "msgpack", a table inside itself nil. What they give is the value, or an error that says
-- why it cannot be.

local groupcache = require "groupcache"

local function group(name, value, options)
  options = options or {}
  options.codec = name
  options.ttl = 0
  options.writable = nil
  options.getter = function(key)
    if type(value) == "function" then return value(key) end
    return value
  end
  return groupcache.group("g", options)
end

-- The value as it comes back.
local function through(name, value)
  return group(name, value):get "k"
end

-- What JSON, or MessagePack, it is.
local function bytes_of(name, value)
  local codec = require("groupcache.codec").find(name, 2 ^ 20)
  return codec.encode(value)
end

local function decode(name, bytes)
  return require("groupcache.codec").find(name, 2 ^ 20).decode(bytes)
end

local NUMBERS = { 0, 1, -1, 127, 128, 255, 256, 65535, 65536, -32, -33, -128, -129, -32768, -32769,
  2 ^ 31 - 1, 2 ^ 31, 2 ^ 32 - 1, 2 ^ 32, -2 ^ 31, -2 ^ 31 - 1, -2 ^ 32, -2 ^ 32 - 1, -2 ^ 32 - 33,
  99999999999999, 100000000000001, 1234567890123456, 1764342000123456, 2 ^ 53 - 1, 2 ^ 53,
  2 ^ 53 + 2, -2 ^ 53 + 1, -2 ^ 53, 2 ^ 63, -2 ^ 63, 2 ^ 64, 1e19, 1.5e19, 1e20,
  0.1, 1 / 3, 0.1 + 0.2,
  math.pi, 1e300, 5e-324, 1.7976931348623157e308, 2.2250738585072014e-308, -1e-7 }

describe("a value through a codec", function()
  for _, name in ipairs { "json", "msgpack" } do
    it("has each number as it was, with " .. name, function()
      for _, x in ipairs(NUMBERS) do
        local got = assert(through(name, { id = x })).id
        assert.equal(x, got, ("%.17g came back as %.17g"):format(x, got))
      end
      assert.equal(-1 / 0, 1 / assert(through(name, { -0.0 }))[1])
    end)

    it("is refused when a table is inside itself, or too deep, with " .. name, function()
      local own = { 1 }
      own[2] = { own }
      local value, err, code = through(name, own)
      assert.same({ false, "GETTER" }, { value or false, code })
      assert.matches("a table is inside itself", err)
      local twice = { 1 }
      assert.same({ { 1 }, { 1 } }, through(name, { twice, twice }))
      local deep = 1
      for _ = 1, 128 do deep = { deep } end
      assert.same(deep, through(name, deep))
      assert.matches("nested more than 128 deep", select(2, through(name, { deep })))
    end)

    it("is refused when there is no encoding for what is in it, with " .. name, function()
      for _, odd in ipairs { print, coroutine.create(print), io.stdout, 9007199254740993LL } do
        local value, err, code = through(name, { odd })
        assert.same({ false, "GETTER" }, { value or false, code })
        assert.matches("cannot encode the value: there is a %a+ in it", err)
      end
    end)

    it("is bounded while it is made, with " .. name, function()
      local many = { ("x"):rep(1000) }
      for _ = 1, 100 do many = { many, many } end -- 2^100 strings
      local value, err, code = group(name, many, { max_value_bytes = 100000 }):get "k"
      assert.same({ false, "TOOBIG" }, { value or false, code })
      assert.matches("more than 100000 bytes", err)
    end)

    it("has null where groupcache.null is, with " .. name, function()
      local got = assert(through(name, { 1, groupcache.null, x = nil }))
      assert.equal(groupcache.null, got[2])
      assert.equal(require("cjson").null, groupcache.null)
    end)
  end

  it("is a list when its keys are 1 to n, with json", function()
    assert.equal("[1,2,[3]]", bytes_of("json", { 1, 2, { 3 } }))
    assert.equal('{"a":1}', bytes_of("json", { a = 1 }))
    assert.equal("{}", bytes_of("json", {}))
    assert.equal("[]", bytes_of("json", groupcache.list {}))
    assert.equal('{"rows":[]}', bytes_of("json", decode("json", '{"rows":[]}')))
    assert.equal('{"row":{}}', bytes_of("json", decode("json", '{"row":{}}')))
  end)

  it("is refused when JSON has no such table", function()
    for _, case in ipairs { { { 1, nil, 3 }, "hole" }, { { [3] = 1 }, "hole" },
      { { [1764342000123456] = 1 }, "hole" }, { { 1, 2, x = 3 }, "a number is a key" },
      { { [1.5] = 1 }, "a number is a key" }, { { [0] = 1 }, "a number is a key" },
      { { [true] = 1 }, "a boolean is a key" },
      { groupcache.list { x = 1 }, "a list has a key" } } do
      local bytes, err = bytes_of("json", case[1])
      assert.is_nil(bytes)
      assert.matches(case[2], err)
    end
  end)

  it("has the keys that it had, with msgpack", function()
    for _, t in ipairs { { 1, nil, 3 }, { [3] = 1 }, { [1764342000123456] = 1 }, { 1, 2, x = 3 },
      { [1.5] = 1 }, { [-1] = 2 }, { [true] = 1 }, {} } do
      assert.same(t, through("msgpack", t))
    end
  end)

  it("is refused for nan and infinity with json, and has them with msgpack", function()
    for text, x in pairs { nan = 0 / 0, infinity = 1 / 0, [" infinity"] = -1 / 0 } do
      local bytes, err = bytes_of("json", { x })
      assert.is_nil(bytes)
      assert.matches("JSON has no " .. text:match "%a+", err)
      assert.equal(tostring(x), tostring(assert(through("msgpack", { x }))[1]))
    end
  end)
end)

describe("bytes that a codec reads", function()
  it("are an error when a whole number has more digits than a Lua number", function()
    for _, text in ipairs { "9007199254740993", "-9007199254740993", "17643420001234567",
      "18446744073709551615", "1e999" } do
      local value, err = decode("json", '{"id":' .. text .. "}")
      assert.is_nil(value)
      assert.equal(("a Lua number cannot hold the number %s"):format(text), err)
    end
    assert.same({ 9007199254740994 }, decode("json", "[9007199254740994]"))
    assert.same({ 1e20 }, decode("json", "[100000000000000000000]"))
    assert.same({ 0.1 }, decode("json", "[0.1000000000000000055511151231257827]"))
    for bytes, said in pairs { ["\207\0\32\0\0\0\0\0\1"] = "9007199254740993",
      ["\211\255\223\255\255\255\255\255\255"] = "-9007199254740993",
      ["\207\255\255\255\255\255\255\255\255"] = "18446744073709551615" } do
      local value, err = decode("msgpack", bytes)
      assert.is_nil(value)
      assert.equal(("a Lua number cannot hold the number %s"):format(said), err)
    end
  end)

  it("are JSON, or an error that says where not", function()
    assert.same({ a = { 1, "x\n\"\\/\255é😀", true, false } }, decode("json",
      ' { "a" : [ 1 , "x\\n\\"\\\\\\/\255\\u00e9\\ud83d\\ude00" , true , false ] } '))
    for text, at in pairs { [""] = 1, ["[1,]"] = 4, ["[1 2]"] = 4, ["{1:2}"] = 2, ["01"] = 1,
      ["[0x10]"] = 2, ["nan"] = 1, ["[Infinity]"] = 2, ["1."] = 1, ["[1e]"] = 2, ["+1"] = 1,
      ["1 2"] = 3,
      ['"a'] = 3, ['["\1"]'] = 3, ['{"a"}'] = 5, ["[1"] = 3, ["-"] = 1 } do
      local value, err = decode("json", text)
      assert.is_nil(value, text)
      assert.equal(("it is no JSON at byte %d"):format(at), err, text)
    end
    assert.equal("a string has half of a surrogate pair", select(2, decode("json", '"\\ud800"')))
    assert.equal("it is nested more than 128 deep", select(2, decode("json", ("["):rep(1e5))))
  end)

  it("are MessagePack, or an error", function()
    assert.same({ 1, 200, -1, "é", 0.5, { a = true } },
      decode("msgpack", "\150\1\204\200\255\162é\202\63\0\0\0\129\161a\195"))
    for _, bytes in ipairs { "", "\1\1", "\146\1", "\221\255\255\255\255", "\223\255\255\255\255",
      "\217\9a",
      "\203\1", "\193", "\212\1\1", "\129\192", ("\145"):rep(1e5) } do
      local value, err = decode("msgpack", bytes)
      assert.is_nil(value)
      assert.is_string(err)
    end
    local value, err = decode("msgpack", "\129\192\1") -- null is a key
    assert.same({ [groupcache.null] = 1 }, value, err)
  end)
end)
