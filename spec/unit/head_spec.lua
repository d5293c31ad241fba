-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load("net/head.h", "net/request.h")

-- Feeds the lines of a head; returns it, or nil and what is wrong with it.
local function read(text, bodiless, any_coding)
  local h = ffi.new "struct head"
  C.head_init(h, bodiless and 1 or 0)
  h.any_coding = any_coding and 1 or 0
  for line in text:gmatch "[^\n]*\n?" do
    local flaw = line ~= "" and C.head_line(h, line, #line)
    if flaw and flaw ~= nil then
      return nil, ffi.string(flaw)
    end
  end
  return h
end

local OK = "HTTP/1.1 200 OK\r\n"

describe("the head of an answer", function()
  it("has ended at its empty line, with a status and a length", function()
    local h = assert(read(OK .. "Content-Length: 12 \r\nx:y\r\n\r\n"))
    assert.same({ 200, 1, 12, 0 }, { h.status, h.has_length, tonumber(h.length), h.chunked })
    assert.equal(tonumber(C.HEAD_TRAILERS), tonumber(h.part))
    assert.equal(tonumber(C.HEAD_FIELDS), tonumber(assert(read(OK .. "x: y\r\n")).part))
  end)

  it("may be chunked, with any letter case, and may lack a reason or a CR", function()
    assert.equal(1, assert(read(OK .. "transfer-ENCODING:\tCHUNKED\r\n\r\n")).chunked)
    assert.equal(404, assert(read "HTTP/1.0 404\n\n").status)
    assert.equal(200, assert(read "HTTP/1.1 200 \r\n\r\n").status)
  end)

  it("may have a coding that nobody asked for, but not beside a length or chunks", function()
    local odd, length = "Transfer-Encoding: odd\r\n", "Content-Length: 1\r\n"
    local chunked = "Transfer-Encoding: chunked\r\n"
    assert.equal(1, assert(read(OK .. odd .. "\r\n", false, true)).opaque)
    assert.equal(1, assert(read(OK .. chunked .. "\r\n", false, true)).chunked)
    assert.matches("other than chunked", select(2, read(OK .. odd)))
    for _, lines in ipairs { odd .. length, length .. odd, odd .. chunked, chunked .. odd,
      odd .. odd, "Transfer-Encoding: gzip, chunked\r\n",
      "Transfer-Encoding: xchunked\r\n" } do
      assert.is_nil((read(OK .. lines, false, true)), lines)
    end
    assert.is_nil((read("HTTP/1.0 200 OK\r\n" .. odd, false, true)))
  end)

  it("counts for itself after a 1xx", function()
    local h = assert(read("HTTP/1.1 103 Hints\r\nContent-Length: 3\r\n\r\n" .. OK .. "\r\n"))
    assert.same({ 200, 0 }, { h.status, h.has_length })
    assert.equal(tonumber(C.HEAD_STATUS), tonumber(assert(read "HTTP/1.1 100 x\r\n\r\n").part))
  end)

  it("says whether a body follows", function()
    local function follows(text, bodiless)
      local h = assert(read(text .. "\r\n", bodiless))
      return C.head_has_body(h) ~= 0
    end
    assert.is_true(follows(OK))
    assert.is_true(follows(OK .. "Content-Length: 1\r\n"))
    assert.is_false(follows(OK .. "Content-Length: 0\r\n"))
    assert.is_false(follows(OK .. "Content-Length: 5\r\n", true))
    assert.is_false(follows "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n")
    assert.is_false(follows "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n")
  end)

  it("may be followed by trailers that say nothing of a length", function()
    local chunked = OK .. "Transfer-Encoding: chunked\r\n\r\n"
    assert(read(chunked .. "X-Sum: 1\r\n\r\n"))
    assert.is_nil((read(chunked .. "Content-Length: 1\r\n")))
    assert.is_nil((read(chunked .. " folded\r\n")))
  end)

  it("is refused by its size in lines and in bytes, not below", function()
    assert(read(OK .. ("a: b\r\n"):rep(tonumber(C.HEAD_MAX_LINES) - 2) .. "\r\n"))
    assert.same({ nil, "more than 1000 header lines" },
      { read(OK .. ("a: b\r\n"):rep(tonumber(C.HEAD_MAX_LINES) - 1) .. "\r\n") })
    local long = "a: " .. ("b"):rep(99995) .. "\r\n"
    assert(read(OK .. long:rep(2)))
    assert.same({ nil, "its headers or trailers have no end" }, { read(OK .. long:rep(3)) })
  end)

  -- What libcurl would make of each of these is found in spec/node/connections_spec.lua.
  for text, why in pairs {
    ["HTTP/1.2 200 OK\r\n"] = "status line", ["HTTP/1.1  200 OK\r\n"] = "three digits",
    ["HTTP/1.1 2000 OK\r\n"] = "three digits", ["HTTP/1.1 099 OK\r\n"] = "three digits",
    ["http/1.1 200 OK\r\n"] = "status line", ["\r\n"] = "status line",
    ["HTTP/1.1 200 a\1b\r\n"] = "control byte", ["HTTP/1.1 200"] = "without an end",
    [OK .. "a: b"] = "without an end", [OK .. "a b: c\r\n"] = "Name: value",
    [OK .. "a(b: c\r\n"] = "Name: value", [OK .. "a: b\127\r\n"] = "control byte",
    [OK .. "a: b\r\r\n"] = "control byte",
    [OK .. "Content-Length: 9223372036854775808\r\n"] = "too large",
    ["HTTP/1.1 101 x\r\n"] = "change of protocol",
  } do
    it(("is refused: %q"):format(text):gsub("\r", "\\r"):gsub("\\\n", "\\n"), function()
      local h, flaw = read(text)
      assert.is_nil(h)
      assert.matches(why, flaw, 1, true)
    end)
  end

  it("may have any other byte in a value", function()
    assert(read(OK .. "a: \t !~\128\255 \r\n\r\n"))
  end)

  it("is refused for each control byte, and taken for each other byte, at each place", function()
    for at = 1, 25 do
      for byte = 0, 255 do
        local value = ("b"):rep(at - 1) .. string.char(byte) .. ("b"):rep(25 - at)
        local h, flaw = read(OK .. "a: " .. value .. "\r\n\r\n")
        if byte ~= 10 then -- which ends the line
          assert.equal((byte >= 32 or byte == 9) and byte ~= 127, h ~= nil, byte .. " at " .. at)
          assert(h or flaw == "a control byte in a header")
        end
      end
    end
  end)
end)

describe("a method", function()
  it("is one that may be repeated, as RFC 9110 has it", function()
    for _, name in ipairs { "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE" } do
      assert.equal(1, C.request_is_idempotent(name))
    end
    for _, name in ipairs { "POST", "PATCH", "get", "X", "" } do
      assert.equal(0, C.request_is_idempotent(name))
    end
  end)
end)
