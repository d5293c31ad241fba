-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load("http/web.h", "base/buf.h")

describe("a request to an HTTP cache", function()
  local made = {}

  local function web(headers, method, obey)
    local w = ffi.new "struct web"
    made[#made + 1] = w
    C.web_init(w, method or "GET", 0x1234)
    for _, h in ipairs(headers) do
      if h[1]:lower() == "connection" then
        C.web_connection(w, h[2], #h[2])
      end
    end
    for _, h in ipairs(headers) do
      C.web_take(w, h[1], #h[1], h[2], #h[2])
    end
    C.web_end(w, obey == false and 0 or 1)
    return w
  end

  after_each(function()
    for _, w in ipairs(made) do
      C.web_deinit(w)
    end
    made = {}
  end)

  local function text(w)
    return ffi.string(w.text.data, w.text.len)
  end

  it("has the headers that may be passed on, and no others", function()
    local w = web { { "Accept", "a" }, { "Connection", "close, X-Hop" }, { "x-hop", "1" },
      { "Transfer-Encoding", "chunked" }, { "Content-Length", "3" }, { "TE", "trailers" },
      { "Upgrade", "h2c" }, { "Keep-Alive", "1" }, { "Expect", "100-continue" },
      { "Proxy-Authorization", "x" }, { "X-Groupcache-Request", "GET 0" },
      { "x-groupcache-node", "1" }, { "Cookie", " a=b " } }
    assert.equal("GET 0000000000001234\nAccept: a\nCookie: a=b\n", text(w))
  end)

  it("has a digest of what proxies say, which reaches another node", function()
    local function keyed(headers)
      local w = web(headers)
      C.web_key(w)
      local line, back = ffi.new "struct buf", ffi.new "struct web"
      C.web_put(w, line)
      C.buf_put(line, "\0", 1)
      assert.equal(1, C.web_read(back, line.data, 1))
      assert.equal(text(w), text(back))
      assert.equal(w.keyed, back.keyed)
      C.web_deinit(back)
      C.buf_deinit(line)
      return text(w):match "\nx%-groupcache%-keyed: (%x+)\n$"
    end
    assert.is_nil(keyed { { "Accept", "a" }, { "X-Forwarded-For", "1.2.3.4" }, { "X-Fo", "a" },
      { "X-Groupcache-Keyed", "a" }, { "From", "b" } })
    local seen = {}
    for _, headers in ipairs { { { "X-Forwarded-Host", "a" } }, { { "x-forwarded-host", "b" } },
      { { "Forwarded", "host=a" } }, { { "X-Forwarded-Proto", "https" } },
      { { "X-Host", "a" }, { "Accept", "b" } }, { { "X-Rewrite-URL", "/" } },
      { { "X-HTTP-Method-Override", "a" } }, { { "X-HTTP-Method", "a" } },
      { { "X-Method-Override", "a" } } } do
      local digest = assert(keyed(headers))
      assert.is_nil(seen[digest])
      seen[digest] = true
    end
    assert.equal(keyed { { "X-Host", "a" } }, keyed { { "Accept", "c" }, { "X-Host", "a" } })
    assert.equal(keyed { { "X-Host", "a" } }, keyed { { "x-hoST", "a" } })
  end)

  it("leaves out a header with a control byte, and says so", function()
    for _, value in ipairs { "a\1", "\127", "a\nb: c", "a\rb: c", "a\0b" } do
      local w = web { { "A", value }, { "B", "1\t\255" } }
      assert.equal("GET 0000000000001234\nB: 1\t\255\n", text(w))
      assert.equal(1, w.unclean)
    end
    assert.equal(0, web({ { "A", "1" } }).unclean)
  end)

  it("is the same behind its way to another node", function()
    local w = web({ { "A", "100%0A, %25 %" }, { "B", "\255\t" },
      { "Cache-Control", 'max-age=5, x="no-cache, min-fresh=1", max-stale' } }, "HEAD")
    local line, back = ffi.new "struct buf", ffi.new "struct web"
    C.web_put(w, line)
    assert.equal(tonumber(C.web_line_size(w)), tonumber(line.len))
    assert.is_nil(ffi.string(line.data, line.len):find "\n")
    C.buf_put(line, "", 1)
    assert.equal(1, C.web_read(back, line.data, 1))
    made[#made + 1] = back
    assert.equal(text(w), text(back))
    assert.equal(1, back.get)
    assert.equal(1, back.head)
    assert.equal(0x1234, tonumber(back.id))
    assert.equal(5, tonumber(back.max_age_s))
    assert.equal(-1, tonumber(back.min_fresh_s))
    assert.equal(0, back.no_cache)
    assert.is_true(tonumber(back.max_stale_s) > 1e12)
    C.buf_deinit(line)
  end)

  it("that is no text of one is refused", function()
    for _, line in ipairs { "", "GET", "GET 12", "GET 0123456789abcdef",
      ("G"):rep(40) .. " 0123456789abcdef%0A", "GET / HTTP/1.1 0123456789abcdef%0A",
      " 0123456789abcdef%0A", "A%250Ab: 0123456789abcdef%0A" } do
      local w = ffi.new "struct web"
      assert.equal(0, C.web_read(w, line, 1), line)
      C.web_deinit(w)
    end
  end)

  it("says by its Cache-Control what it wants, unless the group does not obey", function()
    local asked = { { "Cache-Control", "no-cache, max-age=0" },
      { "Cache-Control", "no-store, only-if-cached" } }
    local w = web(asked)
    assert.same({ 1, 1, 1, 0 }, { w.no_cache, w.no_store, w.only_if_cached,
      tonumber(w.max_age_s) })
    w = web(asked, "GET", false)
    assert.same({ 0, 0, 0, -1 }, { w.no_cache, w.no_store, w.only_if_cached,
      tonumber(w.max_age_s) })
    assert.equal(1, web({ { "Pragma", "No-Cache" } }).no_cache)
    assert.equal(0, web({ { "Pragma", "no-cache" }, { "Cache-Control", "x" } }).no_cache)
  end)

  -- A message with 60 s of life, kept for an hour.
  local function message(flags, swr, vary)
    local m = ffi.new "struct httpmsg"
    local bytes = ("HTTP/1.1 200 \r\nx-groupcache: life=60000 keep=3600000 swr=%d flags=%s id=1 "
      .. "epoch=2\r\n%s\r\n"):format(swr or 0, flags or "-", vary or "")
    local held = ffi.new("char[?]", #bytes + 1, bytes)
    assert.equal(1, C.httpmsg_read(m, held, #bytes))
    return m, held
  end

  local function judge(headers, left_ms, flags, swr)
    local m, held = message(flags, swr)
    local use = C.web_judge(web(headers), m, left_ms)
    return tonumber(use), held
  end

  local USE, REFRESH, LOAD, NOTHING = tonumber(C.WEB_USE), tonumber(C.WEB_USE_REFRESH),
    tonumber(C.WEB_LOAD), tonumber(C.WEB_NOTHING)

  it("is answered by a fresh message, as far as it and the message allow", function()
    for _, case in ipairs {
      { USE, {}, 1 }, { LOAD, {}, 0 }, { LOAD, {}, -1 },
      { LOAD, {}, 50000, "C" }, { LOAD, {}, 50000, "N" }, { USE, {}, 50000, "R" },
      { LOAD, { "no-cache" }, 50000 },
      { USE, { "max-age=10" }, 50000 }, { LOAD, { "max-age=9" }, 50000 },
      { USE, { "min-fresh=50" }, 50000 }, { LOAD, { "min-fresh=51" }, 50000 },
      { USE, { "max-stale=5" }, -5000 }, { LOAD, { "max-stale=5" }, -5001 },
      { USE, { "max-stale" }, -500000 }, { LOAD, { "max-stale" }, -1, "R" },
      { NOTHING, { "only-if-cached" }, -1 }, { USE, { "only-if-cached" }, 1 },
      { REFRESH, {}, -999, nil, 1000 }, { LOAD, {}, -1000, nil, 1000 },
      { LOAD, {}, -1, "R", 1000 }, { LOAD, { "max-age=100" }, -1, nil, 1000 },
    } do
      local headers = case[2][1] and { { "Cache-Control", case[2][1] } } or {}
      local use, held = judge(headers, case[3], case[4], case[5])
      assert.equal(case[1], use, require("cjson").encode(case))
      assert.is_truthy(held)
    end
    assert.equal(LOAD, tonumber(C.web_judge(web {}, nil, 0)))
  end)

  it("without an answer of the origin has a stale message, as far as that allows it", function()
    for _, case in ipairs { { 1, "-", {} }, { 0, "C", {} }, { 0, "R", {} }, { 0, "N", {} },
      { 0, "-", { { "Cache-Control", "no-cache" } } } } do
      local m, held = message(case[2])
      assert.equal(case[1], C.web_may_stand_in(web(case[3]), m, -5000))
      m.sie_ms = 5000
      assert.equal(0, C.web_may_stand_in(web(case[3]), m, -5000))
      assert.equal(case[1], C.web_may_stand_in(web(case[3]), m, -4999))
      assert.is_truthy(held)
    end
  end)

  it("selects a message by the values of the headers in its Vary, however they are spaced",
    function()
    local m, held = message(nil, 0, "x-groupcache-vary: foo:a, b\r\nx-groupcache-vary: bar:\r\n")
    local same = { { { "Foo", "a,b" } }, { { "foo", " a ,  b " } },
      { { "Foo", "a" }, { "Foo", "b" } } }
    local keys = {}
    local function key(w)
      local b = ffi.new "struct buf"
      C.web_put_variant(w, m, b)
      local out = ffi.string(b.data, b.len)
      C.buf_deinit(b)
      return out
    end
    for i, headers in ipairs(same) do
      assert.equal(1, C.web_selects(web(headers), m))
      keys[i] = key(web(headers))
      assert.equal(keys[1], keys[i])
    end
    for _, headers in ipairs { {}, { { "Foo", "a" } }, { { "Foo", "b,a" } }, { { "Foo", "A,b" } },
      { { "Foo", "a,b" }, { "Bar", "x" } } } do
      assert.equal(0, C.web_selects(web(headers), m))
      assert.not_equal(keys[1], key(web(headers)))
    end
    assert.is_truthy(held)
  end)

  it("selects by languages and codings whatever their case is", function()
    for name, same in pairs { ["accept-language"] = 1, ["accept-encoding"] = 1, foo = 0 } do
      local m, held = message(nil, 0, ("x-groupcache-vary: %s:a, B\r\n"):format(name))
      assert.equal(same, C.web_selects(web { { name, "A,b" } }, m))
      assert.is_truthy(held)
    end
  end)
end)
