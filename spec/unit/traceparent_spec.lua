-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load "base/traceparent.h"

local TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
local GOOD = "00-" .. TRACE .. "-" .. SPAN .. "-01"

local function read(text, state)
  local t = ffi.new "struct traceparent"
  ffi.fill(t, ffi.sizeof(t), 0x55)
  -- Bytes behind the text must not count.
  local is = C.traceparent_read(t, text .. "-zzzz", #text, state and state .. "zz", state and #state
    or 0)
  if is == 1 then
    return ffi.string(t.text), ffi.string(t.state), t
  end
end

local function child_of(t)
  local c = ffi.new "struct traceparent"
  C.traceparent_child(c, t)
  return ffi.string(c.text), ffi.string(c.from), ffi.string(c.state)
end

describe("a traceparent", function()
  it("is read if it is exactly of its form", function()
    assert.same({ GOOD, "" }, { (read(GOOD)), (select(2, read(GOOD))) })
    for _, text in ipairs { "", "00", GOOD:sub(1, -2), GOOD .. "0", GOOD .. "-", GOOD .. "-00",
      (GOOD:upper()), " " .. GOOD, (GOOD:gsub("4bf9", "4bF9")), (GOOD:gsub("4bf9", "4bg9")),
      (GOOD:gsub("-", "_")), "ff" .. GOOD:sub(3), "0x" .. GOOD:sub(3), "-1" .. GOOD:sub(3),
      "00-" .. ("0"):rep(32) .. "-" .. SPAN .. "-01",
      "00-" .. TRACE .. "-" .. ("0"):rep(16) .. "-01", GOOD:sub(1, -3) .. "1 ",
      GOOD:sub(1, -3) .. "A1", GOOD:sub(1, 54) .. "\0" } do
      assert.is_nil(read(text), text)
    end
  end)

  it("may be of a later version, and longer then", function()
    assert.equal(GOOD, (read("01" .. GOOD:sub(3))))
    assert.equal(GOOD, (read("fe" .. GOOD:sub(3) .. "-what-comes.later")))
    assert.is_nil(read("01" .. GOOD:sub(3) .. "x"))
    assert.is_nil(read("01" .. GOOD:sub(3, -2)))
  end)

  it("keeps the flags that there are", function()
    for given, kept in pairs { ["00"] = "00", ["01"] = "01", ["02"] = "02", ["03"] = "03",
      ["ff"] = "03", ["fc"] = "00", ["a1"] = "01" } do
      assert.equal(GOOD:sub(1, -3) .. kept, (read(GOOD:sub(1, -3) .. given)))
    end
  end)

  it("has a tracestate of up to 512 bytes of text", function()
    local state = "vendor=a b,t@v=\tc"
    assert.equal(state, (select(2, read(GOOD, state))))
    assert.equal(512, #select(2, read(GOOD, ("s"):rep(512))))
    for _, bad in ipairs { ("s"):rep(513), "a=b\n", "a=\0", "a=\255", "a=\127" } do
      assert.same({ GOOD, "" }, { (read(GOOD, bad)), (select(2, read(GOOD, bad))) })
    end
  end)

  it("has children with numbers of their own", function()
    local seen = {}
    local _, _, t = read(GOOD, "a=b")
    for _ = 1, 1000 do
      local text, from, state = child_of(t)
      local trace, span, flags = text:match "^00%-(%x+)%-(%x+)%-(%x%x)$"
      assert.same({ TRACE, "01", SPAN, "a=b", 16 }, { trace, flags, from, state, #span })
      assert.is_nil(seen[span])
      assert.equal(text, (read(text)))
      seen[span] = true
    end
  end)

  it("is two headers, or one without a tracestate", function()
    local function lines(...)
      local out = ffi.new("char[?]", C.TRACEPARENT_LINES)
      local n, list, at = C.traceparent_put_headers((select(3, read(...))), out), {}, 0
      for i = 1, n do
        list[i] = ffi.string(out + at)
        at = at + #list[i] + 1
      end
      return list
    end
    assert.same({ "traceparent: " .. GOOD }, lines(GOOD))
    assert.same({ "traceparent: " .. GOOD, "tracestate: a=b" }, lines(GOOD, "a=b"))
    assert.equal(512 + 12, #lines(GOOD, ("s"):rep(512))[2])
    for name, is in pairs { traceparent = 1, TraceParent = 1, tracestate = 1, trace = 0,
      traceparents = 0, [""] = 0 } do
      assert.equal(is, C.traceparent_is_header(name, #name))
    end
  end)

  it("has the trace's number for the log", function()
    local out = ffi.new "char[33]"
    assert.equal(TRACE, ffi.string(C.traceparent_id((select(3, read(GOOD))), out)))
  end)
end)
