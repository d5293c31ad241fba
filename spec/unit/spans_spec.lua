-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load("base/spans.h", "base/clock.h")

local TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"

local function trace(flags)
  local t = ffi.new "struct traceparent"
  local text = ("00-%s-%s-%s"):format(TRACE, SPAN, flags or "01")
  assert.equal(1, C.traceparent_read(t, text, #text, nil, 0))
  return t
end

local function span(name, flags)
  local s = ffi.new "struct span"
  C.spans_begin(s, trace(flags), C.SPAN_LOAD, name or "g")
  return s
end

describe("spans", function()
  local ss

  before_each(function()
    ss = C.spans_new(0)
  end)

  after_each(function()
    C.spans_free(ss)
    C.clock_advance(0)
  end)

  local function take(n)
    local list, out = ffi.new("struct span[?]", n), {}
    for i = 1, tonumber(C.spans_take(ss, list, n)) do
      out[i] = list[i - 1]
    end
    return out, list
  end

  it("are taken in the order of their ends, once", function()
    for i = 1, 5 do
      C.spans_end(ss, span("g" .. i))
    end
    local first, keep = take(3)
    local second = take(10)
    assert.same({ 3, 2 }, { #first, #second })
    assert.same({ "g1", "g3", "g4" }, { ffi.string(first[1].name), ffi.string(first[3].name),
      ffi.string(second[1].name) })
    assert.same({ TRACE, SPAN, "" }, { ffi.string(first[1].trace), ffi.string(first[1].id),
      ffi.string(first[1].from) })
    assert.is_truthy(keep)
    assert.equal(0, #take(10))
  end)

  it("know when they began, and how long they took", function()
    local s, before = span(), tonumber(C.clock_wall_ns())
    C.clock_advance(250)
    C.spans_end(ss, s)
    local got, keep = take(1)
    local took, since = tonumber(got[1].took_ns), tonumber(got[1].since_ns)
    assert.is_true(took >= 250e6 and took < 10e9)
    assert.is_true(math.abs(since - before) < 10e9)
    assert.is_truthy(keep)
  end)

  it("are kept of sampled traces alone", function()
    C.spans_end(ss, span("g", "00"))
    C.spans_end(ss, ffi.new "struct span")
    C.spans_end(nil, span())
    assert.equal(0, #take(10))
  end)

  it("are dropped and counted if too many wait", function()
    local s, counts = span(), ffi.new "uint64_t[2]"
    for _ = 1, C.SPANS_MOST + 7 do
      C.spans_end(ss, s)
    end
    C.spans_count(ss, 3, 2)
    C.spans_counts(ss, counts, counts + 1)
    assert.same({ 3, 9 }, { tonumber(counts[0]), tonumber(counts[1]) })
    assert.equal(C.SPANS_MOST, #take(C.SPANS_MOST + 10))
    C.spans_counts(nil, counts, counts + 1)
    assert.same({ 0, 0 }, { tonumber(counts[0]), tonumber(counts[1]) })
  end)

  it("begin traces for a share of the loads", function()
    local t, child = ffi.new "struct traceparent", ffi.new "struct traceparent"
    assert.equal(0, C.spans_may_begin(ss, t))
    for share, wanted in pairs { [1000] = { 2000, 2000 }, [250] = { 350, 650 } } do
      local some, n = C.spans_new(share), 0
      for _ = 1, 2000 do
        n = n + C.spans_may_begin(some, t)
      end
      assert.is_true(n >= wanted[1] and n <= wanted[2], n)
      C.spans_free(some)
    end
    C.traceparent_child(child, t)
    assert.matches("^00%-" .. ("%x"):rep(32) .. "%-" .. ("%x"):rep(16) .. "%-03$",
      ffi.string(child.text))
    assert.same({ "", "", 1 }, { ffi.string(child.from), ffi.string(child.state),
      C.traceparent_is_sampled(child) })
  end)
end)
