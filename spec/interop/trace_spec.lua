-- SPDX-License-Identifier: MIT

-- The trace of a client, as a Go node sees it: a program around Go's groupcache finds it in the
-- headers of its peers' requests.

local http = require "support.http"
local nodes = require "interop.nodes"

local TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"

describe("a trace", function()
  local list, go, ours

  lazy_setup(function()
    list = nodes.mixed(1, 1)
    go, ours = list[1], list[2]
  end)

  lazy_teardown(function()
    nodes.stop(list)
  end)

  -- Asks our node for keys that the Go node owns. -> what the Go node was told of their traces
  local function ask(count, headers, name)
    local asked = {}
    for i = 1, count do
      local key = go:key_owned_by(go.url, name .. i .. "-%d")
      local request = ours:asking(key)
      request.headers = headers
      local res = assert(http.request(request))
      assert.same({ 200, "v:" .. key }, { res.status, res.body })
      asked["/_groupcache/interop/" .. key] = true
    end
    local found = {}
    for _, trace in ipairs(go:traces()) do
      found[#found + 1] = asked[trace.path] and trace or nil
    end
    return found
  end

  it("goes to a Go owner, with a span of its own for each load", function()
    local spans = { [SPAN] = true }
    local found = ask(5, { traceparent = "00-" .. TRACE .. "-" .. SPAN .. "-01",
      tracestate = "vendor=1" }, "traced")
    assert.equal(5, #found)
    for _, trace in ipairs(found) do
      assert.equal(1, #trace.traceparent)
      assert.same({ "vendor=1" }, trace.tracestate)
      local span = assert(trace.traceparent[1]:match("^00%-" .. TRACE .. "%-(%x+)%-01$"))
      assert.is_nil(spans[span])
      spans[span] = true
    end
  end)

  it("is begun by none of our nodes", function()
    assert.same({}, ask(3, {}, "plain"))
    assert.same({}, ask(3, { traceparent = "00-" .. TRACE .. "-" .. SPAN }, "malformed"))
  end)
end)
