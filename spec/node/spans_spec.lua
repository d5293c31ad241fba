-- SPDX-License-Identifier: MIT

-- Spans of traced loads, sent to a collector that a spec plays: OTLP over HTTP, as JSON.

local cjson = require "cjson"
local eventually = require "support.eventually"
local fake = require "node.fake"
local node = require "support.node"
local process = require "support.process"
local rig = require "node.rig"
local tmp = require "support.tmp"

local TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
local PARENT = "00-" .. TRACE .. "-" .. SPAN .. "-01"

-- It notes each body; the file says which status it answers with.
local COLLECTOR = [[
  local path = os.getenv "STATUS"
  return function(request, c)
    local f = path and io.open(path)
    local status = f and f:read "*a" or "200"
    if f then f:close() end
    c:note(status .. " " .. request.target .. " " .. request.headers["content-type"] .. " "
      .. request.body)
    c:send("HTTP/1.1 " .. status .. " Status\r\nContent-Length: 2\r\n\r\n{}")
  end
]]

local SCRIPT = [[
  local groupcache = require "groupcache"
  local http = require "groupcache.http"
  groupcache.group("g", { getter = function(key)
    if key:find "absent" then return nil end
    if key:find "fails" then return nil, "no luck" end
    local res = assert(http.get(os.getenv "ORIGIN"))
    return res.body
  end })
]]

-- The spans that a collector was sent with that status, and how many requests had them.
local function spans_of(collector, status)
  local list, requests = {}, 0
  for _, line in ipairs(collector:requests()) do
    local answered, target, kind, body = line:match "^(%d+) (%S+) (%S+) (.*)$"
    if answered == (status or "200") then
      assert.same({ "/v1/traces", "application/json" }, { target, kind })
      requests = requests + 1
      local whole = cjson.decode(body).resourceSpans[1]
      assert.same({ key = "service.name", value = { stringValue = "groupcache" } },
        whole.resource.attributes[1])
      for _, span in ipairs(whole.scopeSpans[1].spans) do
        span.node = whole.resource.attributes[2].value.stringValue
        for _, each in ipairs(span.attributes) do
          span[each.key] = each.value.stringValue
        end
        list[#list + 1] = span
      end
    end
  end
  return list, requests
end

local function some_spans(collector, count)
  return eventually(function()
    local list = spans_of(collector)
    return #list >= count and list
  end, 10, count .. " spans")
end

describe("spans", function()
  local origin, collector, nodes

  setup(function()
    origin = fake.start [[
      return function(_, c) c:send "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage" end
    ]]
  end)

  teardown(function()
    origin:stop()
  end)

  after_each(function()
    rig.stop_all(nodes or {})
    nodes = nil
    if collector then
      collector:stop()
    end
  end)

  local function start(count, opts)
    collector = fake.start(COLLECTOR, opts and opts.collector)
    nodes = node.cluster(count, { script = (opts and opts.script or SCRIPT),
      env = { ORIGIN = origin.url }, args = { "--trace-endpoint", collector.url,
        unpack(opts and opts.args or {}) } })
    return nodes[1]
  end

  local function get(n, key, parent)
    return assert(n:get("g", key, { headers = { traceparent = parent } }))
  end

  it("of two nodes and the exchange with the origin are a line of parents", function()
    local n = start(2)
    local urls = rig.urls(nodes)
    local key = rig.owned_by(urls, urls[2], "far")
    local before = os.time()
    assert.equal(200, get(n, key, PARENT).status)
    local list = some_spans(collector, 3)
    assert.equal(3, #list)
    local first, second, third
    for _, span in ipairs(list) do
      assert.equal(TRACE, span.traceId)
      local from, to = tonumber(span.startTimeUnixNano:sub(1, -10)),
        tonumber(span.endTimeUnixNano:sub(1, -10))
      assert.is_true(from >= before - 1 and to >= from and to <= os.time() + 1)
      first = span.parentSpanId == SPAN and span or first
    end
    for _, span in ipairs(list) do
      second = span.parentSpanId == first.spanId and span or second
    end
    for _, span in ipairs(list) do
      third = span.parentSpanId == second.spanId and span or third
    end
    assert.same({ "load g", 1, "peer", urls[1] },
      { first.name, first.kind, first["groupcache.source"], first.node })
    assert.same({ "load g", 1, "local", urls[2], "g" }, { second.name, second.kind,
      second["groupcache.source"], second.node, second["groupcache.group"] })
    assert.same({ "http GET", 3, "GET", "200", urls[2] }, { third.name, third.kind,
      third["http.request.method"], third["http.response.status_code"], third.node })
    assert.is_true(first.startTimeUnixNano <= second.startTimeUnixNano)
    assert.is_true(third.endTimeUnixNano <= second.endTimeUnixNano)
  end)

  it("say how a load failed; that there is no value is no failure", function()
    local n = start(1)
    get(n, "fails", PARENT)
    get(n, "absent", PARENT)
    local got = {}
    for _, span in ipairs(some_spans(collector, 2)) do
      got[span["error.type"]] = span.status.code
    end
    assert.same({ GETTER = 2, NOTFOUND = 0 }, got)
    eventually(function()
      return n:stats().spans_sent == 2
    end, 5, "two spans were sent")
    assert.equal(0, n:stats().spans_dropped)
  end)

  it("are not sent of hits, of loads without a trace, nor if a trace is not sampled", function()
    local n = start(1)
    get(n, "a", PARENT:sub(1, -2) .. "0")
    get(n, "a", PARENT)
    assert(n:get("g", "b"))
    get(n, "last absent", PARENT)
    assert.equal("NOTFOUND", some_spans(collector, 1)[1]["error.type"])
    assert.equal(1, #spans_of(collector))
  end)

  it("are begun by the node for the share that it is told", function()
    local n = start(1, { args = { "--trace-sample", "1" } })
    for i = 1, 20 do
      assert(n:get("g", "absent " .. i))
    end
    local traces, list = {}, some_spans(collector, 20)
    for _, span in ipairs(list) do
      assert.is_nil(span.parentSpanId)
      assert.is_nil(traces[span.traceId])
      assert.matches("^" .. ("%x"):rep(32) .. "$", span.traceId)
      traces[span.traceId] = true
    end
    assert.equal(20, #list)
  end)

  it("are tried again if the collector has no room, and dropped if it refuses them", function()
    local status = tmp.dir() .. "/status"
    tmp.write(status, "503")
    local n = start(1, { collector = { STATUS = status } })
    get(n, "absent 1", PARENT)
    eventually(function()
      return #spans_of(collector, "503") > 0
    end, 5, "the collector has no room")
    tmp.write(status, "200")
    some_spans(collector, 1)
    tmp.write(status, "400")
    get(n, "absent 2", PARENT)
    eventually(function()
      return n:stats().spans_dropped == 1
    end, 5, "the span is dropped")
    tmp.write(status, "200")
    get(n, "absent 3", PARENT)
    some_spans(collector, 2)
    assert.same({ 2, 1 }, { n:stats().spans_sent, n:stats().spans_dropped })
    assert.truthy(n:logged 'msg="spans cannot be sent" error="the collector says 503"')
    assert.truthy(n:logged 'msg="spans are sent again"')
  end)

  it("cost a bounded memory while the collector is away, and no request waits", function()
    local n = start(1)
    collector:stop()
    collector = nil
    local keys = {}
    for round = 1, 6 do
      for i = 1, 1000 do
        keys[i] = ("absent %d.%d"):format(round, i)
      end
      assert.equal(200, assert(n:request { method = "POST", target = "/cache/g",
        body = cjson.encode(keys), headers = { traceparent = PARENT }, timeout = 20 }).status)
    end
    eventually(function()
      return n:stats().spans_dropped > 0
    end, 10, "spans are dropped")
    assert.equal(0, n:stats().spans_sent)
  end)
end)

describe("the settings of a trace", function()
  it("are checked", function()
    local dir = tmp.dir()
    local function check(settings)
      tmp.write(dir .. "/s.lua", SCRIPT .. "return " .. settings)
      local r = process.run { node.binary, "check", dir .. "/s.lua" }
      return r.code == 0 and "fine" or r.stderr
    end
    assert.equal("fine", check '{ trace = { endpoint = "http://127.0.0.1:4318", sample = 0.1 } }')
    assert.equal("fine", check '{ trace_endpoint = "https://collector.example/otlp/v1/traces" }')
    assert.matches("trace.endpoint is missing", check "{ trace = { sample = 1 } }", 1, true)
    assert.matches('trace.endpoint is "collector:4318", and must be a URL',
      check '{ trace = { endpoint = "collector:4318" } }', 1, true)
    for _, sample in ipairs { "2", "0.0001" } do -- the latter would be no spans at all
      assert.matches("trace_sample is " .. sample .. ", and must be a number from 0.001 to 1, or 0",
        check('{ trace_endpoint = "http://h", trace_sample = ' .. sample .. " }"), 1, true)
    end
    assert.matches("unknown option \"endpint\"", check '{ trace = { endpint = "http://h" } }', 1,
      true)
  end)
end)
