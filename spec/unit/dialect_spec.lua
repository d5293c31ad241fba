-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load("wire/dialect.h", "base/buf.h")

local OK, NO_KEY = tonumber(C.DIALECT_OK), tonumber(C.DIALECT_NO_KEY)
local BAD_ESCAPE = tonumber(C.DIALECT_BAD_ESCAPE)

local function parse(path)
  local scratch = ffi.new("char[?]", #path + 1)
  scratch[#path] = 0x55
  local t = ffi.new "struct dialect_target"
  local code = tonumber(C.dialect_parse(C.DIALECT_GOLANG, path, #path, scratch, t))
  assert.equal(0x55, scratch[#path]) -- the scratch it was given was enough
  if code ~= OK then
    return code
  end
  return code, ffi.string(t.group, t.group_len), ffi.string(t.key, t.key_len)
end

local function target(group, key)
  local b = ffi.new "struct buf"
  C.buf_init(b, 0)
  assert.equal(0, tonumber(C.dialect_put_target(b, group, #group, key, #key)))
  local text = ffi.string(b.data, b.len)
  C.buf_deinit(b)
  return text
end

describe("dialect golang", function()
  it("is found by its name", function()
    assert.equal(tonumber(C.DIALECT_GOLANG), C.dialect_from_name "golang")
    assert.equal("golang", ffi.string(C.dialect_name(C.DIALECT_GOLANG)))
    assert.equal(-1, C.dialect_from_name "Golang")
    assert.equal(-1, C.dialect_from_name "")
  end)

  it("tells a peer of a failed load with 500, of a malformed request with 400", function()
    for code = 1, C.ERR_COUNT - 1 do
      assert.equal(code == tonumber(C.ERR_INVAL) and 400 or 500,
        C.dialect_status(C.DIALECT_GOLANG, code))
    end
  end)

  describe("sends a target", function()
    for _, row in ipairs {
      { "a b", "g/a%20b" },
      { "a+b", "g/a%2Bb" },
      { "a/b", "g/a%2Fb" },
      { "a//b", "g/a%2F%2Fb" },
      { "/lead", "g/%2Flead" },
      { "trail/", "g/trail%2F" },
      { "a%2Fb", "g/a%252Fb" },
      { "", "g/" },
      { ".", "g/%2E" },
      { "..", "g/%2E%2E" },
      { "...", "g/..." },
      { "\0\255", "g/%00%FF" },
      { "ключ", "g/%D0%BA%D0%BB%D1%8E%D1%87" },
      { "A-Za-z0-9-_.~", "g/A-Za-z0-9-_.~" },
      { "$&=:@?#", "g/%24%26%3D%3A%40%3F%23" },
    } do
      it(("for the key %q"):format(row[1]), function()
        assert.equal(row[2], target("g", row[1]))
      end)
    end

    it("with a slash in the group's name hidden", function()
      assert.equal("a%2Fb/k", target("a/b", "k"))
      assert.equal("/k", target("", "k"))
    end)
  end)

  describe("reads", function()
    -- What golang/groupcache clients put on the wire: url.QueryEscape of group and key.
    for _, row in ipairs {
      { "g/a+b", "g", "a b" },
      { "g/a%2Bb", "g", "a+b" },
      { "g/a%20b", "g", "a b" },
      { "g/a%2Fb", "g", "a/b" },
      { "g/a%2F%2Fb", "g", "a//b" },
      { "g/%2Flead", "g", "/lead" },
      { "g/trail%2F", "g", "trail/" },
      { "g/a%252Fb", "g", "a%2Fb" },
      { "g/", "g", "" },
      { "g/.", "g", "." },
      { "g/..", "g", ".." },
      { "g/%2E%2e", "g", ".." },
      { "g/%00%FF", "g", "\0\255" },
      { "g/%D0%BA", "g", "к" },
      -- Raw slashes belong to the key; only the first one divides.
      { "g/a/b", "g", "a/b" },
      { "g//b", "g", "/b" },
      { "g//", "g", "/" },
      { "/k", "", "k" },
      { "/", "", "" },
      -- The group is split off before anything is decoded, and then decoded like the key.
      { "a%2Fb/k", "a/b", "k" },
      { "a+b%2Bc/k", "a b+c", "k" },
      { "g/$&=:@~", "g", "$&=:@~" },
    } do
      it(("%q"):format(row[1]), function()
        local code, group, key = parse(row[1])
        assert.equal(OK, code)
        assert.equal(row[2], group)
        assert.equal(row[3], key)
      end)
    end
  end)

  it("asks for a group and a key", function()
    for _, path in ipairs { "", "g", "group%20", "a+b" } do
      assert.equal(NO_KEY, (parse(path)))
    end
  end)

  it("refuses broken escapes and raw control bytes in either part", function()
    for _, bad in ipairs { "%", "%4", "%zz", "%4g", "a b", "a\0b", "a\nb", "a\127b" } do
      assert.equal(BAD_ESCAPE, (parse(bad)))
      assert.equal(BAD_ESCAPE, (parse(bad .. "/k")))
      assert.equal(BAD_ESCAPE, (parse("g/" .. bad)))
    end
    assert.equal(BAD_ESCAPE, (parse "g%2/Fk")) -- an escape does not reach over the slash
  end)

  it("reads no byte beyond the path", function()
    local scratch, t = ffi.new "char[16]", ffi.new "struct dialect_target"
    local code = C.dialect_parse(C.DIALECT_GOLANG, "g/k%41more/", 3, scratch, t)
    assert.equal(OK, tonumber(code))
    assert.equal("k", ffi.string(t.key, t.key_len))
    code = C.dialect_parse(C.DIALECT_GOLANG, "g/k%41", 5, scratch, t)
    assert.equal(BAD_ESCAPE, tonumber(code))
    code = C.dialect_parse(C.DIALECT_GOLANG, "g/k", 1, scratch, t)
    assert.equal(NO_KEY, tonumber(code))
  end)

  it("reads what it sends, for every byte and for random keys and groups", function()
    for byte = 0, 255 do
      local c = string.char(byte)
      local code, group, key = parse(target(c, c))
      assert.equal(OK, code)
      assert.equal(c, group)
      assert.equal(c, key)
    end
    math.randomseed(47)
    local function random()
      local parts = {}
      for i = 1, math.random(0, 30) do
        parts[i] = string.char(math.random(0, 255))
      end
      return table.concat(parts)
    end
    for _ = 1, 3000 do
      local group, key = random(), random()
      local code, got_group, got_key = parse(target(group, key))
      assert(code == OK and got_group == group and got_key == key)
    end
  end)

  it("takes any path at all without harm", function()
    math.randomseed(53)
    local some = { "%", "/", "+", "a", "4", "F", "\0", "\255", "." }
    for _ = 1, 20000 do
      local parts = {}
      for i = 1, math.random(0, 12) do
        parts[i] = some[math.random(#some)]
      end
      local code = parse(table.concat(parts))
      assert(code == OK or code == NO_KEY or code == BAD_ESCAPE)
    end
  end)
end)
