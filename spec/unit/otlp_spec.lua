-- SPDX-License-Identifier: MIT

local cjson = require "cjson"
local ffi = require "ffi"
local messages = require "support.messages"
local C = require("support.unit").load("wire/otlp.h", "base/err.h")

local TRACE, SPAN, FROM = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", "b7ad6b7169203331"

local function span(fields)
  local s = ffi.new "struct span"
  s.trace, s.id, s.name = TRACE, SPAN, "g"
  s.since_ns, s.took_ns = 1795878849000000000ULL, 4000000
  for name, value in pairs(fields or {}) do
    s[name] = value
  end
  return s
end

local function put(...)
  local list = ffi.new("struct span[?]", select("#", ...))
  for i, each in ipairs { ... } do
    list[i - 1] = each
  end
  local n = select("#", ...)
  return cjson.decode(messages.built(function(b) C.otlp_put(b, "http://h:1", list, n) end))
end

local function attributes_of(list)
  local out = {}
  for _, each in ipairs(list) do
    out[each.key] = each.value.stringValue
  end
  return out
end

describe("a request to a collector", function()
  it("says who sends it, and has the spans", function()
    local whole = put(span { from = FROM, source = "peer" }, span())
    assert.equal(1, #whole.resourceSpans)
    assert.same({ ["service.name"] = "groupcache", ["service.instance.id"] = "http://h:1" },
      attributes_of(whole.resourceSpans[1].resource.attributes))
    local scope = whole.resourceSpans[1].scopeSpans[1]
    assert.same({ { name = "groupcache" }, 2 }, { scope.scope, #scope.spans })
    local first = scope.spans[1]
    assert.same({ ["groupcache.group"] = "g", ["groupcache.source"] = "peer" },
      attributes_of(first.attributes))
    first.attributes = nil
    assert.same({ traceId = TRACE, spanId = SPAN, parentSpanId = FROM, name = "load g", kind = 1,
      startTimeUnixNano = "1795878849000000000", endTimeUnixNano = "1795878849004000000",
      status = { code = 0 } }, first)
    assert.is_nil(scope.spans[2].parentSpanId)
    assert.same({}, put().resourceSpans[1].scopeSpans[1].spans)
  end)

  it("has exchanges as those of a client, and failures as such", function()
    local spans = put(span { kind = C.SPAN_EXCHANGE, name = "GET", status = 404 },
      span { kind = C.SPAN_EXCHANGE, name = "GET", code = C.ERR_TIMEOUT },
      span { code = C.ERR_NOTFOUND }).resourceSpans[1].scopeSpans[1].spans
    assert.same({ "http GET", 3, { code = 0 } }, { spans[1].name, spans[1].kind, spans[1].status })
    assert.same({ ["http.request.method"] = "GET", ["http.response.status_code"] = "404" },
      attributes_of(spans[1].attributes))
    assert.same({ { code = 2 }, "TIMEOUT" },
      { spans[2].status, attributes_of(spans[2].attributes)["error.type"] })
    assert.same({ { code = 0 }, "NOTFOUND" },
      { spans[3].status, attributes_of(spans[3].attributes)["error.type"] })
  end)

  it("is JSON whatever a group is called", function()
    local name = 'a "b"\n\255é'
    assert.is_truthy(put(span { name = name }).resourceSpans)
  end)
end)
