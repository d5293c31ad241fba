-- SPDX-License-Identifier: MIT

-- What our own nodes ask of each other, many keys at a time, over raw connections.

local cjson = require "cjson"
local eventually = require "support.eventually"
local ffi = require "ffi"
local http = require "support.http"
local messages = require "support.messages"
local node = require "support.node"
local rig = require "node.rig"
local socket = require "socket"
local C = require("support.unit").load("wire/batch.h", "base/buf.h", "base/err.h")

local GET, REMOVE, FLUSH, SET = 0, 1, 2, 3

local SCRIPT = [[
local groupcache = require "groupcache"

local function getter(key, ctx)
  rig.record(key)
  if key:find "^none" then return nil end
  if key:find "^fails" then return nil, "no luck" end
  if key:find "^waits" then rig.gate(key) end
  if key:find "^peer" then return ctx.peer or "nobody" end
  if key:find "^size " then return ("x"):rep(tonumber(key:match "%d+")) end
  return "value of " .. key
end

groupcache.group("g", { getter = getter, timeout = 30, negative_ttl = 100, cache_bytes = "200MB" })
groupcache.group("timed", { getter = getter, ttl = 100, ttl_jitter = 0 })
groupcache.group("brief", { getter = getter, timeout = 0.3 })
groupcache.group("small", { getter = getter, max_value_bytes = 1000, cache_bytes = "100KB" })
groupcache.group("fading", {
  ttl = 0.05, ttl_jitter = 0, stale_if_error = 1000,
  getter = function(key)
    local f = io.open(rig.dir .. "/broken")
    if f then f:close() return nil, "the origin is down" end
    return "good"
  end,
})
]]

local request = messages.batch_request

-- The answers by their index, from 1, and in the order they came.
local function answers(body)
  local by_index, in_order, at = {}, {}, 0
  local out, e = ffi.new "struct batch_answer", ffi.new "struct error"
  while at < #body do
    local rest = body:sub(at + 1)
    local length = tonumber(C.batch_get_answer(rest, #rest, 2 ^ 30, out, e))
    assert(length > 0, "a broken frame")
    local index = tonumber(out.index) + 1
    assert(by_index[index] == nil, "a second answer")
    by_index[index] = {
      value = out.value ~= nil and ffi.string(out.value, out.value_len) or nil,
      code = out.value == nil and ffi.string(C.err_name(out.code)) or nil,
      message = out.value == nil and ffi.string(out.message, out.message_len) or nil,
      ttl = out.has_ttl ~= 0 and tonumber(out.ttl_ms) or nil,
      age = tonumber(out.age_s),
      stale = out.stale ~= 0,
    }
    in_order[#in_order + 1] = index
    at = at + length
  end
  return by_index, in_order
end

describe("a batch", function()
  local r, n

  setup(function()
    r = rig.new()
    n = node.start { script = r:script(SCRIPT),
      args = { "--workers", 2, "--max-key-bytes", 1000, "--peer-changes", "127.0.0.1" } }
  end)

  teardown(function()
    rig.stop(n)
  end)

  local function post(body, group, opts)
    opts = opts or {}
    opts.headers = opts.headers or { ["X-Groupcache-From"] = "http://127.0.0.1:1" }
    opts.method, opts.target, opts.body = "POST", "/_groupcache/" .. (group or "g"), body
    return assert(n:request(opts))
  end

  local function get(keys, group)
    local res = post(request(GET, keys), group, { timeout = 30 })
    assert.equal(200, res.status, res.body)
    assert.equal("application/octet-stream", res.headers["content-type"])
    return answers(res.body), res
  end

  local function head(body, group)
    return ("POST /_groupcache/%s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"):format(
      group or "g", #body)
  end

  local function idle()
    eventually(function()
      local g = n:stats().groups.g
      return g.waiters == 0 and g.flights == 0
    end, 10, "no load under way")
  end

  it("of hits is answered in one piece", function()
    get { "hit 1", "hit 2" }
    local got, res = get { "hit 2", "hit 1", "hit 2" }
    assert.is_nil(res.headers["transfer-encoding"])
    assert.equal(tostring(#res.body), res.headers["content-length"])
    assert.same({ "value of hit 2", "value of hit 1", "value of hit 2" },
      { got[1].value, got[2].value, got[3].value })
    assert.equal(1, r:calls()["hit 1"])
  end)

  it("has an answer for each key, whatever it is", function()
    local got = get { "fine", "none", "fails", "", "\0\255/%", ("k"):rep(1000), "size 0" }
    assert.equal("value of fine", got[1].value)
    assert.same({ "NOTFOUND", true }, { got[2].code, got[2].ttl > 90000 and got[2].ttl <= 100000 })
    assert.same({ code = "GETTER", message = "no luck", age = 0, stale = false }, got[3])
    assert.equal("value of ", got[4].value)
    assert.equal("value of \0\255/%", got[5].value)
    assert.equal("value of " .. ("k"):rep(1000), got[6].value)
    assert.equal("", got[7].value)
    assert.equal("NOTFOUND", (get { "none" })[1].code) -- as it was kept
    assert.equal(1, r:calls().none)
  end)

  it("says how long values are good for, how old they are and whether they are stale", function()
    assert.is_nil((get { "for good" })[1].ttl)
    local ttl = (get({ "a while" }, "timed"))[1].ttl
    assert.is_true(ttl > 90000 and ttl <= 100000)
    eventually(function()
      return (get({ "a while" }, "timed"))[1].age >= 1
    end, 5, "an age")
    get({ "k" }, "fading")
    r:file("broken", "")
    local got = eventually(function()
      local a = (get({ "k" }, "fading"))[1]
      return a.stale and a
    end, 5, "a stale value")
    assert.same({ "good", 0 }, { got.value, got.ttl })
  end)

  it("tells getters who asks", function()
    local res = post(request(GET, { "peer" }), "g",
      { headers = { ["X-Groupcache-From"] = "http://a.node:1" } })
    assert.equal("http://a.node:1", answers(res.body)[1].value)
  end)

  it("says that it is one of ours that answers, in errors too", function()
    local ok = post(request(GET, { "ours" }))
    local bad = post("garbage")
    local nope = post(request(GET, { "k" }), "nope")
    assert.same({ 200, 400, 404 }, { ok.status, bad.status, nope.status })
    for _, res in ipairs { ok, bad, nope } do
      assert.equal("1", res.headers["x-groupcache-node"])
      assert.is_nil(res.headers["x-cache"])
    end
  end)

  it("gives each value as it comes, and the last answer ends it", function()
    local body = request(GET, { "waits a", "waits b", "waits c" })
    local sock = assert(socket.connect(n.host, n.port))
    sock:settimeout(10)
    sock:send(head(body) .. body)
    local headers, line = {}
    repeat
      line = assert(sock:receive "*l")
      headers[#headers + 1] = line
    until line == ""
    assert.matches("Transfer%-Encoding: chunked", table.concat(headers, "\n"))
    local function chunk()
      local size = tonumber(assert(sock:receive "*l"), 16)
      local bytes = size > 0 and assert(sock:receive(size)) or ""
      assert.equal("", (sock:receive "*l"))
      return bytes
    end
    for i, name in ipairs { "c", "a", "b" } do
      r:open("waits " .. name)
      local got, order = answers(chunk())
      assert.same({ ({ 3, 1, 2 })[i] }, order)
      assert.equal("value of waits " .. name, got[order[1]].value)
    end
    assert.equal("", chunk())
    -- The connection goes on.
    body = request(GET, { "after" })
    sock:send(head(body) .. body)
    assert.equal("HTTP/1.1 200 OK", (sock:receive "*l"))
    sock:close()
  end)

  it("answers hits at once, before what has to be loaded", function()
    get { "here" }
    local body = request(GET, { "waits for later", "here" })
    local bytes, how = http.raw(n.host, n.port, head(body) .. body,
      { until_bytes = "value of here", timeout = 10 })
    assert.equal("seen", how)
    assert.is_nil(bytes:find("for later", 1, true))
    r:open "waits for later"
    idle()
  end)

  it("is answered in time, with TIMEOUT for late keys", function()
    local began = socket.gettime()
    local got = get({ "quick", "waits too long" }, "brief")
    assert.is_true(socket.gettime() - began < 5)
    assert.same({ "value of quick", "TIMEOUT" }, { got[1].value, got[2].code })
    r:open "waits too long"
  end)

  it("may have 10000 keys, all missing or all there", function()
    local keys = {}
    for i = 1, 10000 do
      keys[i] = "n" .. i
    end
    for _ = 1, 2 do
      local got, res = get(keys)
      for i = 1, 10000 do
        assert(got[i].value == "value of n" .. i)
      end
      assert.equal(res.headers["content-length"] == nil, res.headers["transfer-encoding"] ~= nil)
    end
    for i = 1, 10000, 999 do
      assert.equal(1, r:calls()["n" .. i])
    end
    keys[10001] = "one more"
    local res = post(request(GET, keys))
    assert.same({ 400, "INVAL" }, { res.status, res.headers["x-groupcache-code"] })
  end)

  it("carries large values, of one key and of many", function()
    local keys = {}
    for i = 1, 10 do
      keys[i] = "size 5000000 " .. i
    end
    for _ = 1, 2 do
      local got = get(keys)
      for i = 1, 10 do
        assert.equal(5000000, #got[i].value)
      end
    end
    assert.equal(5000000, #(get { keys[1] })[1].value)
  end)

  it("carries them to a reader with little room", function()
    local keys = {}
    for i = 1, 10 do
      keys[i] = "size 5000000 " .. i
    end
    local body = request(GET, keys)
    local sock = assert(socket.connect(n.host, n.port))
    sock:setoption("recv-buffer-size", 65536)
    sock:settimeout(20)
    sock:send(head(body):gsub("HTTP/1.1", "HTTP/1.0", 1) .. body)
    local total = 0
    repeat
      local data, err, partial = sock:receive(100000)
      total = total + #(data or partial)
    until err == "closed"
    assert.is_true(total > 50000000)
    sock:close()
  end)

  it("ends with its connection for HTTP/1.0", function()
    local body = request(GET, { "old", "older" })
    local bytes, how = http.raw(n.host, n.port,
      head(body):gsub("HTTP/1.1", "HTTP/1.0", 1) .. body, { timeout = 10 })
    assert.equal("closed", how)
    local got = answers(bytes:match "\r\n\r\n(.*)$")
    assert.same({ "value of old", "value of older" }, { got[1].value, got[2].value })
  end)

  it("that nobody waits for any more leaves nothing behind", function()
    local keys = {}
    for i = 1, 50 do
      keys[i] = "waits, left " .. i
    end
    for round = 1, 5 do
      local body = request(GET, keys)
      local sock = assert(socket.connect(n.host, n.port))
      sock:settimeout(10)
      sock:send(head(body) .. body)
      if round == 1 then
        eventually(function()
          return r:calls()[keys[50]]
        end, 10, "all loads")
      end
      sock:setoption("linger", { on = true, timeout = 0 })
      sock:close()
    end
    for i = 1, 50 do
      r:open("waits, left " .. i)
    end
    idle()
    assert.equal("value of waits, left 7", (get { "waits, left 7" })[1].value)
  end)

  it("shares its loads with whoever asks for the same", function()
    local got, one
    http.together {
      function()
        got = get { "waits shared", "shared too" }
      end,
      function()
        one = assert(n:get("g", "waits shared", { timeout = 10 }))
      end,
      function()
        rig.wait(n, function()
          return n:stats().groups.g.waiters >= 2
        end, 10, "two who wait")
        r:open "waits shared"
      end,
    }
    assert.same({ "value of waits shared", "value of waits shared" }, { got[1].value, one.body })
    assert.equal(1, r:calls()["waits shared"])
  end)

  it("changes this node: set, remove, flush", function()
    local function value(key)
      return (get { key })[1].value
    end
    local function done(res)
      assert.same({ 200, "", "1" }, { res.status, res.body, res.headers["x-groupcache-node"] })
    end
    done(post(request(SET, { "changed" }, "mine")))
    assert.equal("mine", value "changed")
    done(post(request(SET, { "changed" }, "")))
    assert.equal("", value "changed")
    done(post(request(SET, { "changed" }, "timed", 50000)))
    local a = (get { "changed" })[1]
    assert.is_true(a.ttl > 40000 and a.ttl <= 50000)
    done(post(request(SET, { "changed" }, "over", 0)))
    assert.equal("value of changed", value "changed")
    done(post(request(SET, { "a" }, "1")))
    done(post(request(SET, { "b" }, "2")))
    done(post(request(REMOVE, { "a", "b", "not there" })))
    assert.same({ "value of a", "value of b" }, { value "a", value "b" })
    done(post(request(SET, { "a" }, "1")))
    done(post(request(FLUSH)))
    assert.equal("value of a", value "a")
  end)

  it("is refused with what is wrong", function()
    for _, case in ipairs {
      { 400, "INVAL", "" }, { 400, "INVAL", "\8\0" }, { 400, "INVAL", "\8\9\18\1k" },
      { 400, "INVAL", "\18\200k" }, { 400, "INVAL", request(SET, { "k" }) },
      { 400, "INVAL", request(GET, { "ok", ("k"):rep(1001) }) },
      { 400, "INVAL", request(REMOVE, { ("k"):rep(1001) }) },
      { 404, "INVAL", request(GET, { "k" }), "nope" }, { 404, "INVAL", request(FLUSH), "g%00" },
      { 500, "TOOBIG", request(SET, { "k" }, ("v"):rep(1001)), "small" },
    } do
      local res = post(case[3], case[4])
      assert.same({ case[1], case[2] }, { res.status, res.headers["x-groupcache-code"] })
      assert.matches("^[^\n]+\n$", res.body)
    end
  end)

  it("is a POST without a key: all else is as the dialect has it", function()
    for _, method in ipairs { "GET", "PUT", "DELETE" } do
      local res = assert(n:request { method = method, target = "/_groupcache/g" })
      assert.same({ 400, "bad request\n" }, { res.status, res.body })
    end
    local res = assert(n:request { method = "POST", target = "/_groupcache/g/posted" })
    assert.same({ 200, "\10\15value of posted" }, { res.status, res.body })
    assert.is_nil(res.headers["x-groupcache-node"])
  end)

  it("tells a node of ours who we are, the age and the time to live", function()
    local from = { ["X-Groupcache-From"] = "http://a.node:1" }
    local function peer_get(target)
      return assert(n:request { target = "/_groupcache/" .. target, headers = from })
    end
    local res = peer_get "g/none"
    assert.same({ 500, "NOTFOUND", "1" }, { res.status, res.headers["x-groupcache-code"],
      res.headers["x-groupcache-node"] })
    local ttl = tonumber(res.headers["x-groupcache-ttl"])
    assert.is_true(ttl > 0 and ttl <= 100000)
    res = peer_get "fading/k"
    assert.same({ 200, "1", "0" }, { res.status, res.headers["x-groupcache-stale"],
      res.headers["x-groupcache-ttl"] })
    for _, name in ipairs { "etag", "x-cache", "warning", "cache-control", "accept-ranges" } do
      assert.is_nil(res.headers[name])
    end
  end)

  it("survives many clients that come, ask, and go in the middle", function()
    math.randomseed(17)
    local fns = {}
    for i = 1, 60 do
      fns[i] = function()
        for round = 1, 6 do
          local keys = {}
          for k = 1, math.random(1, 60) do
            keys[k] = ("crowd %d"):format(math.random(1, 2000))
          end
          local body = request(GET, keys)
          if math.random(3) == 1 then
            -- Leaves after a byte of the answer, or before.
            http.raw(n.host, n.port, head(body) .. body,
              { timeout = math.random(2) == 1 and 0.001 or 1, until_bytes = "H" })
          else
            local got = get(keys)
            for k, key in ipairs(keys) do
              assert(got[k].value == "value of " .. key, i .. "," .. round)
            end
          end
        end
      end
    end
    http.together(fns)
    idle()
  end)

  it("leaves nothing behind", function()
    r:open "waits too long"
    idle()
    assert.is_nil(n:logged "level=error")
  end)
end)

describe("a node that stops", function()
  it("ends a batch that is under way, and itself", function()
    local r = rig.new()
    local n = node.start { args = { "--drain-timeout", "0.2" }, script = r:script [[
      require("groupcache").group("g", { timeout = 60, getter = function(key)
        rig.record(key)
        if key == "waits" then rig.gate("never") end
        return "v"
      end })
    ]] }
    local res
    http.together {
      function()
        res = assert(n:request { method = "POST", target = "/_groupcache/g",
          body = request(GET, { "waits", "quick" }), timeout = 20 })
      end,
      function()
        rig.wait(n, function()
          return r:calls().waits
        end, 10, "the load")
        n:signal "SIGTERM"
      end,
    }
    local got = answers(res.body)
    assert.same({ "CLOSED", "v" }, { got[1].code, got[2].value })
    assert.equal(0, (n.process:wait(10)))
  end)
end)

describe("a cluster", function()
  it("asks for many keys of another node in few exchanges", function()
    local r = rig.new()
    local nodes = node.cluster(2, { script = r:script [[
      require("groupcache").group("g", { getter = function(key) return "v " .. key end })
    ]] })
    local keys = {}
    for i = 1, 500 do
      keys[i] = "key " .. i
    end
    assert(nodes[1]:get("g", rig.owned_by({ nodes[1].url, nodes[2].url }, nodes[2].url, "first")))
    local res = assert(nodes[1]:request { method = "POST", target = "/cache/g",
      body = cjson.encode(keys) })
    for i, result in ipairs(cjson.decode(res.body).results) do
      assert.equal("v " .. keys[i], result.value)
    end
    local peer = nodes[1]:stats().peers[2]
    assert.same({ true, true }, { peer.ours, peer.batches > 0 })
    rig.stop_all(nodes)
  end)
end)
