-- SPDX-License-Identifier: MIT

-- The extras of a value: what may be in them, and what is read back.

local ffi = require "ffi"
local key_ref = require "unit.key_ref"
local C = require("support.unit").load("cache/extra.h", "cache/item.h", "base/err.h")

local MAX = tonumber(C.EXTRA_MAX)
local FACTS = { C.EXTRA_REVALIDATE, C.EXTRA_IF_ERROR }

local function new()
  return ffi.new "struct extra"
end

-- Calls extra_put_WHAT; returns the code's name and the message.
local function put(x, what, ...)
  local e, args, n = ffi.new "struct error", { ... }, select("#", ...)
  args[n + 1] = e
  local code = C["extra_put_" .. what](x, unpack(args, 1, n + 1))
  return ffi.string(C.err_name(code)), ffi.string(e.msg)
end

local function header(x, name, value)
  return put(x, "header", name, #name, value, #value)
end

local function tag(x, text)
  return put(x, "tag", text, #text)
end

local function text_of(x, name)
  local value = C.extra_header(x.bytes, x.n, name)
  return value ~= nil and ffi.string(value) or nil
end

local function hash(text)
  return tonumber(C.extra_tag_hash(text, #text))
end

local function check(bytes)
  return C.extra_check(bytes, #bytes) ~= 0
end

describe("extras", function()
  it("are read back as they were written", function()
    local x, ms, hashes = new(), ffi.new "uint64_t[1]", ffi.new("uint32_t[?]", C.EXTRA_TAGS)
    assert.equal("OK", put(x, "status", 404))
    assert.equal("OK", header(x, "Content-Type", "text/html"))
    assert.equal("OK", header(x, "x-empty", ""))
    assert.equal("OK", header(x, "Link", " </a>; rel=next\t"))
    assert.equal("OK", put(x, "window", C.EXTRA_REVALIDATE, 1500))
    assert.equal("OK", put(x, "window", C.EXTRA_IF_ERROR, 2 ^ 40))
    assert.equal("OK", tag(x, "user:17"))
    assert.equal("OK", tag(x, "shop"))
    assert.is_true(C.extra_check(x.bytes, x.n) ~= 0)
    assert.equal(404, C.extra_status(x.bytes, x.n))
    assert.same({ "text/html", "", "</a>; rel=next" },
      { text_of(x, "content-type"), text_of(x, "x-empty"), text_of(x, "link") })
    assert.is_nil(text_of(x, "etag"))
    for i, want in ipairs { 1500, 2 ^ 40 } do
      assert.equal(1, C.extra_window(x.bytes, x.n, FACTS[i], ms))
      assert.equal(want, tonumber(ms[0]))
    end
    assert.equal(2, tonumber(C.extra_tag_hashes(x.bytes, x.n, hashes)))
    assert.same({ hash "user:17", hash "shop" }, { tonumber(hashes[0]), tonumber(hashes[1]) })
  end)

  it("say nothing when there are none", function()
    local ms, hashes = ffi.new "uint64_t[1]", ffi.new("uint32_t[?]", C.EXTRA_TAGS)
    assert.equal(200, C.extra_status(nil, 0))
    assert.is_true(C.extra_header(nil, 0, "etag") == nil)
    assert.equal(0, C.extra_window(nil, 0, C.EXTRA_IF_ERROR, ms))
    assert.equal(0, tonumber(C.extra_tag_hashes(nil, 0, hashes)))
    assert.equal(1, C.extra_check(nil, 0))
  end)

  it("take only a final status that the server does not give by itself", function()
    for _, status in ipairs { 200, 204, 301, 403, 404, 410, 503, 599 } do
      assert.equal("OK", put(new(), "status", status))
    end
    for _, status in ipairs { 0, 100, 199, 600, 206, 304, 412, 416, 200.5, 0 / 0, 1e300, -1 } do
      local code, message = put(new(), "status", status)
      assert.equal("INVAL", code)
      assert.truthy(message:find("from 200 to 599", 1, true), message)
    end
  end)

  it("take no header that says how an answer travels or that is the node's own", function()
    for _, name in ipairs { "Connection", "keep-alive", "TE", "Trailer", "Transfer-Encoding",
      "Upgrade", "Content-Length", "Proxy-Authenticate", "proxy-connection", "Age", "X-Cache",
      "Accept-Ranges", "Content-Range", "X-Groupcache-Node" } do
      local code, message = header(new(), name, "1")
      assert.equal("INVAL", code, name)
      assert.truthy(message:find("cannot be given", 1, true), message)
    end
    for _, name in ipairs { "Date", "ETag", "Set-Cookie", "Location", "Vary", "Tea" } do
      assert.equal("OK", header(new(), name, "1"))
    end
  end)

  it("take no header that could end a line, or is no token", function()
    for _, name in ipairs { "", "a b", "a:", "a\r\n", "a\0", "ü", "(a)" } do
      assert.equal("INVAL", (header(new(), name, "v")))
    end
    for _, value in ipairs { "a\rb", "a\nb", "a\0b", "\1", "a\127" } do
      assert.equal("INVAL", (header(new(), "name", value)))
    end
    assert.equal("OK", header(new(), "name", "tab\there, and ü"))
  end)

  it("take a header once of which an answer has one", function()
    local x = new()
    for _, name in ipairs { "Content-Type", "ETag", "Location" } do
      assert.equal("OK", header(x, name, "a"))
      local code, message = header(x, name:lower(), "a")
      assert.equal("INVAL", code)
      assert(message:find("twice", 1, true), message)
    end
    assert.equal("OK", header(x, "Set-Cookie", "a"))
    assert.equal("OK", header(x, "Set-Cookie", "b"))
  end)

  it("have a bound", function()
    local x = new()
    assert.equal("TOOBIG", (header(x, "name", ("x"):rep(MAX))))
    assert.equal("OK", header(x, "name", ("x"):rep(MAX - 3 - 4 - 2)))
    assert.equal(MAX, tonumber(x.n))
    assert.equal("TOOBIG", (header(x, "a", "")))
    assert.equal("TOOBIG", (tag(x, "a")))
    x = new()
    for i = 1, tonumber(C.EXTRA_TAGS) do
      assert.equal("OK", tag(x, "tag " .. i))
    end
    assert.equal("TOOBIG", (tag(x, "one more")))
    assert.equal("INVAL", (tag(new(), "")))
    assert.equal("INVAL", (tag(new(), ("x"):rep(256))))
  end)

  it("take at most four bytes a tag, and a few around them", function()
    local x = new()
    for i = 1, 4 do
      tag(x, "tag " .. i)
    end
    assert.is_true(tonumber(x.n) <= 4 * 4 + 3)
  end)

  it("are refused when they are cut, long or wrong, and taken with kinds of a later version",
    function()
      local x = new()
      put(x, "status", 301)
      header(x, "location", "/")
      tag(x, "a")
      local bytes = ffi.string(x.bytes, x.n)
      for n = 1, #bytes - 1 do
        if n ~= 5 and n ~= #bytes - 7 then -- where a field ends
          assert.is_false(check(bytes:sub(1, n)), n)
        end
      end
      for _, wrong in ipairs {
        "\1\2\0\99\0", -- status 99
        "\1\1\0\200",
        "\2\3\0a\0b", -- no NUL at the end
        "\2\4\0A\0b\0", -- not lower-case
        "\2\5\0a\0\nb\0",
        "\2\6\0a\0b\0c\0",
        "\3\4\0\0\0\0\0",
        "\3\8\0\255\255\255\255\255\255\255\255",
        "\5\3\0abc",
        "\5\0\0",
      } do
        assert.is_false(check(wrong), wrong)
      end
      assert.is_true(check(bytes .. "\99\2\0xx"))
      assert.is_false(check(("\99\0\0"):rep(MAX)))
    end)

  it("are in an item, and cost their bytes", function()
    local x, len = new(), ffi.new "size_t[1]"
    put(x, "status", 410)
    tag(x, "t")
    for _, value in ipairs { "", "v", ("v"):rep(511), ("v"):rep(512), ("v"):rep(100001) } do
      for key_len = 0, 9 do
        local k = key_ref(("k"):rep(key_len), 7)
        local it = C.item_new_extra(k, value, #value, 5, x.bytes, x.n)
        local bytes = C.item_extra(it, len)
        assert.equal(ffi.string(x.bytes, x.n), ffi.string(bytes, len[0]))
        assert.equal(value, ffi.string(C.item_value(it), it.value_len))
        assert.same({ 1, 1, 1, 410 }, { it.extra, it.special, it.tagged, C.item_status(it) })
        C.item_set_etag(it, 0x1234567890abcdefULL)
        assert.equal(ffi.string(x.bytes, x.n), ffi.string(C.item_extra(it, len), len[0]))
        local plain = C.item_new(k, value, #value, 5)
        assert.is_true(C.item_cost(it) <= C.item_cost(plain) + x.n + 2 + 8 + 32)
        assert.is_true(C.item_extra(plain, len) == nil)
        assert.same({ 0, 0, 0, 0, 200 },
          { tonumber(len[0]), plain.extra, plain.special, plain.tagged, C.item_status(plain) })
        C.item_unref(it)
        C.item_unref(plain)
      end
    end
    assert.is_true(C.item_new_extra(key_ref("k", 0), "v", 1, 0, x.bytes, MAX + 1) == nil)
  end)

  it("tell whoever asks for bytes alone what kind of answer there is", function()
    local e = ffi.new "struct error"
    for status, code in pairs { [404] = "NOTFOUND", [410] = "NOTFOUND", [301] = "GETTER",
      [403] = "GETTER", [503] = "GETTER" } do
      assert.equal(code, ffi.string(C.err_name(C.extra_refuse(status, "g", e))))
      assert.equal(("group g: the answer for this key has the status %d, and is no value"):format(
        status), ffi.string(e.msg))
    end
  end)
end)
