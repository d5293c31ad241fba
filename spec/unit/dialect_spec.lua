-- SPDX-License-Identifier: MIT

local bit = require "bit"
local ffi = require "ffi"
local C = require("support.unit").load("wire/dialect.h", "base/buf.h", "base/hash.h")

local OK, NO_KEY = tonumber(C.DIALECT_OK), tonumber(C.DIALECT_NO_KEY)
local BAD_ESCAPE = tonumber(C.DIALECT_BAD_ESCAPE)

local GOLANG, MAILGUN = C.DIALECT_GOLANG, C.DIALECT_MAILGUN
local GROUPCACHE_GO, MODERNPROGRAM = C.DIALECT_GROUPCACHE_GO, C.DIALECT_MODERNPROGRAM
local FORKS = { mailgun = MAILGUN, ["groupcache-go"] = GROUPCACHE_GO,
  modernprogram = MODERNPROGRAM }

local function parse(path, dialect)
  local scratch = ffi.new("char[?]", #path + 1)
  scratch[#path] = 0x55
  local t = ffi.new "struct dialect_target"
  local code = tonumber(C.dialect_parse(dialect or GOLANG, path, #path, scratch, t))
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

describe("a dialect", function()
  it("is found by its name", function()
    for name, dialect in pairs { golang = GOLANG, mailgun = MAILGUN,
      ["groupcache-go"] = GROUPCACHE_GO, modernprogram = MODERNPROGRAM } do
      assert.equal(tonumber(dialect), C.dialect_from_name(name))
      assert.equal(name, ffi.string(C.dialect_name(dialect)))
    end
    assert.equal(4, tonumber(C.DIALECT_COUNT))
    assert.equal(-1, C.dialect_from_name "Golang")
    assert.equal(-1, C.dialect_from_name "")
  end)

  it("has a ring, and the hashes that a user of the Go library might have chosen", function()
    for _, row in ipairs {
      { GOLANG, "crc32", 0, { "crc32", "fnv1-32", "fnv1a-32" } },
      { MAILGUN, "fnv1-64", 1, { "crc32", "fnv1-64", "fnv1a-64" } },
      { GROUPCACHE_GO, "fnv1-64", 1, { "crc32", "fnv1-64", "fnv1a-64" } },
      { MODERNPROGRAM, "fnv1-64", 1, { "crc32", "fnv1-64", "fnv1a-64" } },
    } do
      local facts = C.dialect_facts(row[1])
      assert.equal(row[2], ffi.string(C.hash_kind_name(facts.hash)))
      assert.equal(row[3], facts.md5_points)
      local hashes = {}
      for kind = 0, tonumber(C.HASH_KINDS) - 1 do
        if bit.band(facts.hashes, 2 ^ kind) ~= 0 then
          hashes[#hashes + 1] = ffi.string(C.hash_kind_name(kind))
        end
      end
      assert.same(row[4], hashes)
    end
  end)

  it("calls peers on the ring by their URL, or by what is behind its scheme", function()
    local function name(dialect, url)
      return ffi.string(C.dialect_ring_name(dialect, url))
    end
    for _, dialect in ipairs { GOLANG, MAILGUN, MODERNPROGRAM } do
      assert.equal("http://10.0.0.1:8080", name(dialect, "http://10.0.0.1:8080"))
    end
    assert.equal("10.0.0.1:8080", name(GROUPCACHE_GO, "http://10.0.0.1:8080"))
    assert.equal("[::1]:80", name(GROUPCACHE_GO, "https://[::1]:80"))
    assert.equal("nothing", name(GROUPCACHE_GO, "nothing"))
  end)

  it("has verbs, and a way with all other methods", function()
    local get, set, remove = tonumber(C.DIALECT_GET), tonumber(C.DIALECT_SET),
      tonumber(C.DIALECT_REMOVE)
    local many, none = tonumber(C.DIALECT_REMOVE_KEYS), -1
    for _, row in ipairs {
      { GOLANG, GET = get, PUT = get, DELETE = get, POST = get, HEAD = get, PATCH = get },
      { MAILGUN, GET = get, PUT = set, DELETE = remove, POST = get, HEAD = get, PATCH = get },
      { MODERNPROGRAM, GET = get, PUT = set, DELETE = remove, POST = get, HEAD = get, PATCH = get },
      { GROUPCACHE_GO, GET = get, PUT = set, DELETE = remove, POST = many, HEAD = none,
        PATCH = none },
    } do
      for method, verb in pairs(row) do
        if method ~= 1 then
          assert.equal(verb, C.dialect_verb(row[1], method), method)
          if verb ~= get and verb ~= none then
            assert.equal(method, ffi.string(C.dialect_method(row[1], verb)))
          end
        end
      end
      assert.equal("GET", ffi.string(C.dialect_method(row[1], get)))
      assert.equal(row.PATCH, C.dialect_verb(row[1], "put")) -- methods have their case
    end
    for _, verb in ipairs { set, remove, many } do -- a Go v1 node never sees one
      assert.is_true(C.dialect_method(GOLANG, verb) == nil)
    end
    for _, dialect in ipairs { MAILGUN, MODERNPROGRAM } do
      assert.is_true(C.dialect_method(dialect, many) == nil)
    end
  end)

  it("has bodies of GET in modernprogram alone", function()
    for d = 0, tonumber(C.DIALECT_COUNT) - 1 do
      assert.equal(d == tonumber(MODERNPROGRAM) and 1 or 0, C.dialect_facts(d).get_may_have_body)
    end
  end)

  it("has the expiry in its field, and refuses what has ended where Go does", function()
    for _, row in ipairs { { GOLANG, 0, 0 }, { MAILGUN, 3, 1 }, { GROUPCACHE_GO, 3, 0 },
      { MODERNPROGRAM, 2, 1 } } do
      assert.equal(row[2], C.dialect_facts(row[1]).expire_field)
      assert.equal(row[3], C.dialect_facts(row[1]).refuses_expired)
    end
  end)

  it("carries the rate of a key, but in modernprogram", function()
    for d = 0, tonumber(C.DIALECT_COUNT) - 1 do
      assert.equal(d == tonumber(MODERNPROGRAM) and 0 or 1, C.dialect_facts(d).minute_qps)
    end
  end)

  it("has a target of its own for many keys", function()
    local b = ffi.new "struct buf"
    C.buf_init(b, 0)
    assert.equal(0, tonumber(C.dialect_put_remove_keys_target(b, "a/b", 3)))
    assert.equal("a%2Fb/_remove-keys/", ffi.string(b.data, b.len))
    C.buf_deinit(b)
    local t = ffi.new "struct dialect_target"
    for path, is in pairs { ["g/_remove-keys/"] = 1, ["g/%5fremove-keys%2F"] = 1,
      ["g/_remove-keys"] = 0, ["g/_remove-keys/x"] = 0, ["g/"] = 0 } do
      local scratch = ffi.new("char[?]", #path)
      assert.equal(OK, tonumber(C.dialect_parse(GROUPCACHE_GO, path, #path, scratch, t)))
      assert.equal(is, C.dialect_is_remove_keys(t), path)
    end
  end)
end)

describe("in the forks' dialects", function()
  it("a raw plus is a plus", function()
    for _, dialect in pairs(FORKS) do
      for path, key in pairs { ["g/a+b"] = "a+b", ["g/a%2Bb"] = "a+b", ["g/a%20b"] = "a b",
        ["g/$&+=:@"] = "$&+=:@", ["g/a%252Fb"] = "a%2Fb", ["g/a%2F%2Fb"] = "a//b", ["g/"] = "",
        ["g/.."] = "..", ["g/%00%FF"] = "\0\255" } do
        local code, group, got = parse(path, dialect)
        assert.equal(OK, code)
        assert.equal("g", group)
        assert.equal(key, got)
      end
    end
  end)

  it("an error of a load has the status that makes Go's callers do the right thing", function()
    for name in pairs(FORKS) do
      local dialect, statuses = FORKS[name], {}
      for code = 1, C.ERR_COUNT - 1 do
        statuses[ffi.string(C.err_name(code))] = C.dialect_status(dialect, code)
      end
      assert.same({ NOTFOUND = 404, GETTER = 503, PEER = 503, TOOBIG = 503, CYCLE = 503,
        INVAL = 400, NOMEM = 500, TIMEOUT = 500, BUSY = 500, CLOSED = 500 }, statuses)
      assert.equal(500, C.dialect_facts(dialect).no_group_status)
    end
    assert.equal(404, C.dialect_facts(GOLANG).no_group_status)
  end)
end)

describe("what an answer means", function()
  -- "value", "unusable", or the code of the last word.
  local function word(dialect, status, text, code_name)
    local code = ffi.new "enum err[1]"
    local w = C.dialect_word(dialect, status, code_name, text or "", #(text or ""), code)
    if w == C.DIALECT_LAST_WORD then
      return ffi.string(C.err_name(code[0]))
    end
    return w == C.DIALECT_VALUE and "value" or "unusable"
  end

  local OTHERS = { 201, 204, 301, 307, 400, 405, 413, 500, 502, 504 }

  it("is a value with 200, and nothing with most", function()
    for d = 0, tonumber(C.DIALECT_COUNT) - 1 do
      assert.equal("value", word(d, 200))
      for _, status in ipairs(OTHERS) do
        assert.equal("unusable", word(d, status, "boom\n"))
      end
    end
  end)

  it("is nothing with any error in golang", function()
    assert.equal("unusable", word(GOLANG, 404, "no luck\n"))
    assert.equal("unusable", word(GOLANG, 503, "no luck\n"))
  end)

  it("is the last word with 404 and 503 in the forks' dialects", function()
    for _, dialect in pairs(FORKS) do
      assert.equal("NOTFOUND", word(dialect, 404, "no luck\n"))
      assert.equal("NOTFOUND", word(dialect, 404))
      assert.equal("GETTER", word(dialect, 503, "no luck\n"))
    end
  end)

  it("is nothing when the text speaks of the node, not of the key", function()
    for _, dialect in pairs(FORKS) do
      assert.equal("unusable", word(dialect, 404, "no such group: g\n"))
      assert.equal("unusable", word(dialect, 404, "404 page not found\n"))
      assert.equal("unusable", word(dialect, 404,
        '{"error":"there is nothing at this path","code":"NOTFOUND"}\n'))
      assert.equal("unusable", word(dialect, 503, "further crosstalk refused\n"))
      assert.equal("NOTFOUND", word(dialect, 404, "further crosstalk refused\n"))
      assert.equal("NOTFOUND", word(dialect, 404, "no such group"))
      assert.equal("GETTER", word(dialect, 503, "no such group: g\n"))
    end
  end)

  it("is what our own nodes say in their header, whatever the status", function()
    for d = 0, tonumber(C.DIALECT_COUNT) - 1 do
      for _, status in ipairs { 400, 404, 500, 503 } do
        for _, name in ipairs { "NOTFOUND", "GETTER", "PEER", "TOOBIG", "TIMEOUT", "CYCLE",
          "BUSY" } do
          assert.equal(name, word(d, status, "no such group: g\n", name))
        end
        for _, name in ipairs { "INVAL", "NOMEM", "CLOSED", "OK", "", "GETTERS" } do
          assert.equal("unusable", word(d, status, "x", name))
        end
      end
    end
  end)
end)

describe("dialect golang", function()
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

describe("the id of a request", function()
  -- Nodes of different versions compare these: they may not change.
  it("is the same everywhere, of the group and the key", function()
    local function id(group, asked)
      local b = ffi.new "struct buf"
      C.buf_init(b, 0)
      C.dialect_put_echo(b, C.dialect_request_id(group, #group, asked, #asked))
      local line = ffi.string(b.data)
      C.buf_deinit(b)
      return line
    end
    assert.matches("^X%-Groupcache%-Key: %x+$", id("g", "k"))
    assert.equal(#"X-Groupcache-Key: " + 16, #id("g", "k"))
    local seen = {}
    for _, pair in ipairs {
      { "g", "k" }, { "gk", "" }, { "", "gk" }, { "g", "k\0" }, { "g", "" },
    } do
      local line = id(pair[1], pair[2])
      assert.is_nil(seen[line])
      seen[line] = true
    end
    assert.equal("X-Groupcache-Key: 880a7215e9947b04", id("g", "one"))
  end)
end)
