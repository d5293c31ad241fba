-- SPDX-License-Identifier: MIT

-- The trace that a request belongs to: from the client through nodes to the origin.

local cjson = require "cjson"
local eventually = require "support.eventually"
local fake = require "node.fake"
local node = require "support.node"
local rig = require "node.rig"
local tmp = require "support.tmp"

local TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
local PARENT = "00-" .. TRACE .. "-" .. SPAN .. "-01"

local ORIGIN = [[
  return function(request, c)
    local h = request.headers
    local body = (h.traceparent or "none") .. " " .. (h.tracestate or "none")
    c:send(("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s"):format(#body, body))
  end
]]

-- A value says what its getter knew of the trace, and what its origin was sent.
local SCRIPT = [[
  local groupcache = require "groupcache"
  local http = require "groupcache.http"
  local function ask(ctx, headers)
    local res = assert(http.get(os.getenv "ORIGIN", { headers = headers }))
    return table.concat({ ctx.headers and ctx.headers.traceparent or "none",
      ctx.traceparent or "none", ctx.tracestate or "none", res.body }, " ")
  end
  groupcache.group("g", { pass_headers = { "traceparent" }, getter = function(key, ctx)
    groupcache.log("info", "asked", { key = key })
    if key == "throws" then error "no luck" end
    return ask(ctx)
  end })
  groupcache.group("plain", { getter = function(_, ctx) return ask(ctx) end })
  groupcache.group("own", { getter = function(_, ctx)
    return ask(ctx, { TraceParent = "00-1-2-3" })
  end })
  local inner = groupcache.group("inner", { getter = function(_, ctx) return ask(ctx) end })
  groupcache.group("outer", { getter = function(key, ctx)
    return ctx.traceparent .. " " .. assert(inner:get(key))
  end })
]]

local function words(text)
  local list = {}
  for word in text:gmatch "%S+" do
    list[#list + 1] = word
  end
  return list
end

-- The span of a traceparent of our trace, which is sampled.
local function span_of(text)
  return (assert(text:match("^00%-" .. TRACE .. "%-(%x+)%-01$"), text))
end

-- The spans are all different, and none is the client's.
local function are_spans(list)
  local seen = { [SPAN] = true }
  for _, text in ipairs(list) do
    local span = span_of(text)
    assert.is_nil(seen[span], "a span is there twice: " .. span)
    seen[span] = true
  end
end

describe("a trace", function()
  local origin, nodes, urls, log

  setup(function()
    origin = fake.start(ORIGIN)
    log = tmp.dir() .. "/access"
    nodes = node.cluster(2, { script = SCRIPT, env = { ORIGIN = origin.url },
      args = { "--log-format", "json", "--workers", "1" },
      each = function(i, opts)
        opts.args = { "--access-log", log .. i, unpack(opts.args) }
      end })
    urls = rig.urls(nodes)
  end)

  teardown(function()
    rig.stop_all(nodes)
    origin:stop()
  end)

  local count = 0
  local function key_of(i)
    count = count + 1
    return rig.owned_by(urls, urls[i], "trace" .. count)
  end

  local function get(group, key, headers, from)
    local res = assert(nodes[from or 1]:get(group, key, { headers = headers }))
    assert.equal(200, res.status, res.body)
    return words(res.body)
  end

  it("goes from the client over two nodes to the origin, with a span for each", function()
    local got = get("g", key_of(2), { traceparent = PARENT, tracestate = "a=b,c=d" })
    are_spans { got[1], got[2], got[4] } -- of node 1, of node 2, of the exchange with the origin
    assert.same({ "a=b,c=d", "a=b,c=d" }, { got[3], got[5] })
  end)

  it("goes from one node to the origin", function()
    local got = get("g", key_of(1), { Traceparent = PARENT })
    assert.equal(PARENT, got[1])
    are_spans { got[2], got[4] }
    assert.same({ "none", "none" }, { got[3], got[5] })
  end)

  it("is begun by no node", function()
    assert.same({ "none", "none", "none", "none", "none" }, get("g", key_of(2)))
    assert.same({ "none", "none", "none", "none", "none" }, get("g", key_of(1)))
  end)

  it("is none if the header is malformed or there twice, and then has no tracestate", function()
    for _, bad in ipairs { PARENT:upper(), "ff" .. PARENT:sub(3), PARENT .. "0",
      "00-" .. ("0"):rep(32) .. "-" .. SPAN .. "-01",
      "00-" .. TRACE .. "-" .. ("0"):rep(16) .. "-01", "nonsense" } do
      local got = get("plain", key_of(2), { traceparent = bad, tracestate = "a=b" })
      assert.same({ "none", "none", "none", "none", "none" }, got, bad)
    end
    local got = get("plain", key_of(2), { { "traceparent", PARENT }, { "traceparent", PARENT } })
    assert.same({ "none", "none", "none", "none", "none" }, got)
    got = get("plain", key_of(2), { tracestate = "a=b" })
    assert.same({ "none", "none", "none", "none", "none" }, got)
  end)

  it("has all tracestates, in their order", function()
    local got = get("plain", key_of(2), { { "tracestate", "a=b" }, { "traceparent", PARENT },
      { "tracestate", "c=d" } })
    assert.same({ "a=b,c=d", "a=b,c=d" }, { got[3], got[5] })
  end)

  it("is that of each key in a batch between nodes", function()
    local keys = {}
    for i = 1, 20 do
      keys[i] = key_of(2)
    end
    local res = assert(nodes[1]:request { method = "POST", target = "/cache/plain",
      body = cjson.encode(keys), headers = { traceparent = PARENT, tracestate = "a=b" } })
    local spans = {}
    for i, result in ipairs(cjson.decode(res.body).results) do
      local got = words(assert(result.value, result.error))
      spans[#spans + 1], spans[#spans + 2] = got[2], got[4]
      assert.same({ keys[i], "none", "a=b", "a=b" }, { result.key, got[1], got[3], got[5] })
    end
    assert.equal(40, #spans)
    are_spans(spans)
    eventually(function() -- they were asked for together
      return tmp.read(log .. 2):find('"method":"POST","target":"/_groupcache/plain"', 1, true)
    end, 5, "a batch")
    for _, key in ipairs(keys) do
      assert.is_nil(tmp.read(log .. 2):find('"target":"/_groupcache/plain/' .. key, 1, true))
    end
  end)

  it("is kept by gets of a getter, and by what a getter says itself", function()
    local key = key_of(2)
    local got = get("outer", key, { traceparent = PARENT })
    are_spans { got[1], got[3], got[5] }
    assert.equal("00-1-2-3", get("own", key, { traceparent = PARENT })[4])
  end)

  it("is no part of a key, and a hit tells of the load's", function()
    local key = key_of(2)
    local first = get("plain", key, { traceparent = PARENT })
    local other = PARENT:gsub(TRACE, TRACE:reverse())
    assert.same(first, get("plain", key, { traceparent = other }, 2))
  end)

  it("is in the log: of getters, of failures, and of requests", function()
    assert.equal(502, assert(nodes[1]:get("g", "throws", { headers = { traceparent = PARENT } }))
      .status)
    local wanted = { asked = true, ["getter threw"] = true, ["loads failed"] = true }
    eventually(function()
      for _, n in ipairs(nodes) do
        for line in n:log():gmatch "[^\n]+" do
          local said = cjson.decode(line)
          if said.key == "throws" and said.trace == TRACE then
            wanted[said.msg] = nil
          end
        end
      end
      return next(wanted) == nil
    end, 5, "three lines with the trace")
    eventually(function()
      for line in tmp.read(log .. 1):gmatch "[^\n]+" do
        local said = cjson.decode(line)
        if said.key == "throws" and said.trace == TRACE then
          return true
        end
      end
    end, 5, "a request with the trace")
  end)
end)
