-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load("wire/httpmsg.h")

local OURS = "x-groupcache: life=60000 keep=3600000 swr=1000 sie=- flags=CR id=0123456789abcdef "
  .. "epoch=fedcba9876543210\r\n"

describe("a message of HTTP that is kept", function()
  local m = ffi.new "struct httpmsg"

  local function read(bytes)
    local copy = ffi.new("char[?]", #bytes + 1, bytes)
    return C.httpmsg_read(m, copy, #bytes) == 1, copy
  end

  local function lines()
    local out, at, l = {}, ffi.new "const char *[1]", ffi.new "struct httpmsg_line"
    while C.httpmsg_next(m, at, l) == 1 do
      out[#out + 1] = { tonumber(l.kind), ffi.string(l.name, l.name_len),
        ffi.string(l.value, l.value_len) }
    end
    return out
  end

  it("is read: its status, our fields, its headers and its body", function()
    local ok, held = read("HTTP/1.1 203 \r\n" .. OURS .. "x-groupcache-vary: foo:a, b\r\n"
      .. "x-groupcache-vary: bar:\r\nx-groupcache-once: set-cookie: a=b\r\n"
      .. "content-type: text/html\r\nempty: \r\n\r\nbody\r\n\r\n\0end")
    assert.is_true(ok)
    assert.equal(203, m.status)
    assert.equal(C.HTTPMSG_CHECK + C.HTTPMSG_STRICT, m.flags)
    assert.equal(0xffffffffffffffffULL, m.sie_ms)
    assert.same({ 60000, 3600000, 1000 }, { tonumber(m.life_ms), tonumber(m.keep_ms),
      tonumber(m.swr_ms) })
    assert.equal(0x0123456789abcdefULL, m.id)
    assert.equal(0xfedcba9876543210ULL, m.epoch)
    assert.equal("body\r\n\r\n\0end", ffi.string(m.body, m.body_len))
    assert.same({
      { tonumber(C.HTTPMSG_VARY), "foo", "a, b" }, { tonumber(C.HTTPMSG_VARY), "bar", "" },
      { tonumber(C.HTTPMSG_FOR_ONE), "set-cookie", "a=b" },
      { tonumber(C.HTTPMSG_HEADER), "content-type", "text/html" },
      { tonumber(C.HTTPMSG_HEADER), "empty", "" },
    }, lines())
    assert.is_truthy(held)
  end)

  it("has the text of interim answers, if there were any", function()
    assert.is_true(read("HTTP/1.1 200 \r\n" .. OURS .. "\r\n"))
    assert.equal(0, tonumber(m.interim_len))
    local ok, held = read("HTTP/1.1 200 \r\n" .. OURS:gsub("\r\n", " interim=102%%0A%0")
      .. "\r\n")
    assert.is_true(ok)
    assert.equal("102%0A", ffi.string(m.interim, m.interim_len))
    assert.is_truthy(held)
  end)

  it("may have no header and no body", function()
    assert.is_true(read("HTTP/1.1 204 \r\n" .. OURS .. "\r\n"))
    assert.same({}, lines())
    assert.equal(0, tonumber(m.body_len))
  end)

  it("is nothing else, and not a part of one", function()
    local whole = "HTTP/1.1 200 \r\n" .. OURS .. "a: b\r\n\r\n"
    for n = 0, #whole - 1 do
      assert.is_false((read(whole:sub(1, n))), n)
    end
    for _, other in ipairs { "plain bytes", "HTTP/1.0 200 \r\n" .. OURS .. "\r\n",
      "HTTP/1.1 20x \r\n" .. OURS .. "\r\n", "HTTP/1.1 200 OK\r\n" .. OURS .. "\r\n",
      "HTTP/1.1 099 \r\n" .. OURS .. "\r\n", "HTTP/1.1 200 \r\na: b\r\n\r\n" } do
      assert.is_false((read(other)), other)
    end
  end)

  it("has an age by the time at which its item expires", function()
    read("HTTP/1.1 200 \r\n" .. OURS .. "\r\n")
    -- Made 10 s ago: fresh for 50 s, then kept for an hour.
    local now, left = 5000000, C.httpmsg_left_ms(m, 5000000 + 50000 + 3600000, 5000000)
    assert.equal(50000, tonumber(left))
    assert.equal(10, tonumber(C.httpmsg_age_s(m, left)))
    left = C.httpmsg_left_ms(m, now + 3600000 - 7000, now)
    assert.equal(-7000, tonumber(left))
    assert.equal(67, tonumber(C.httpmsg_age_s(m, left)))
  end)

  it("has an age also if a peer says times of a thousand million years", function()
    for _, n in ipairs { "9223372036854775807", "1152921504606846975" } do
      read("HTTP/1.1 200 \r\n" .. OURS:gsub("=60000", "=" .. n):gsub("=3600000", "=" .. n)
        .. "\r\n")
      local left = C.httpmsg_left_ms(m, 50000, 5000000)
      assert.is_true(left < 0)
      assert.is_true(C.httpmsg_age_s(m, left) < 2 ^ 60)
    end
  end)
end)
