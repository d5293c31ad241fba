-- SPDX-License-Identifier: MIT

-- What HTTP says about values beside their bytes, and what clients may change.

local cjson = require "cjson"
local eventually = require "support.eventually"
local http = require "support.http"
local node = require "support.node"
local rig = require "node.rig"

local SCRIPT = [[
local groupcache = require "groupcache"

local function getter(key)
  rig.record(key)
  if key:find "^none" then return nil end
  if key:find "^fails" then return nil, "no luck" end
  if key:find "^waits" then rig.gate(key) end
  if key:find "^size " then return ("x"):rep(tonumber(key:match "%d+")) end
  return "value of " .. key
end

groupcache.group("plain", { getter = getter, timeout = 20 })
groupcache.group("timed", { getter = getter, ttl = 100, ttl_jitter = 0 })
groupcache.group("negative", { getter = getter, negative_ttl = 100 })
groupcache.group("open", { getter = getter, writable = true, max_value_bytes = 1000 })
groupcache.group("large", { getter = getter, max_value_bytes = "100MB", cache_bytes = 0 })

groupcache.group("fading", {
  ttl = 0.05, ttl_jitter = 0, stale_if_error = 1000,
  getter = function(key)
    local f = io.open(rig.dir .. "/broken")
    if f then f:close() return nil, "the origin is down" end
    return "good"
  end,
})
]]

local function error_of(res)
  return { res.status, cjson.decode(res.body).code }
end

describe("a client", function()
  local r, n

  setup(function()
    r = rig.new()
    n = node.start { args = { "--workers", 2, "--max-key-bytes", 1000 }, script = r:script(SCRIPT) }
  end)

  teardown(function()
    rig.stop(n)
  end)

  local function get(key, headers, group)
    return assert(n:get(group or "plain", key, { headers = headers }))
  end

  describe("that has a value", function()
    it("learns its ETag, which is that of its bytes alone", function()
      local tag = get("etag").headers.etag
      assert.matches('^"%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x%x"$', tag)
      assert.equal(tag, get("etag").headers.etag)
      assert.equal(tag, get("etag", nil, "timed").headers.etag)
      assert.not_equal(tag, get("other").headers.etag)
    end)

    it("gets 304 while it is the same, for GET and HEAD", function()
      local tag = get("same").headers.etag
      for _, list in ipairs { tag, "W/" .. tag, '"other", ' .. tag, "*" } do
        for _, method in ipairs { "GET", "HEAD" } do
          local c = assert(http.connect(n.host, n.port))
          local res = assert(c:request { method = method, target = "/cache/plain/same",
            headers = { ["If-None-Match"] = list } })
          assert.same({ 304, "", tag, "main" },
            { res.status, res.body, res.headers.etag, res.headers["x-cache"] })
          assert.is_true(res.headers["content-length"] == nil
            or res.headers["content-length"] == "13")
          -- The connection is where it should be.
          assert.equal("value of same", assert(c:request { target = "/cache/plain/same" }).body)
          c:close()
        end
      end
      for _, list in ipairs { '"other"', "", tag:sub(1, -2) } do
        local res = get("same", { ["If-None-Match"] = list })
        assert.same({ 200, "value of same" }, { res.status, res.body })
      end
    end)

    it("gets 304 also when it had to be loaded again", function()
      local tag = get("again").headers.etag
      local res = get("again", { ["If-None-Match"] = tag }, "large") -- a group that keeps nothing
      assert.same({ 304, "local" }, { res.status, res.headers["x-cache"] })
    end)

    it("knows nothing of its source by that: no value, no 304", function()
      local res = get("none at all", { ["If-None-Match"] = "*" })
      assert.same({ 404, "NOTFOUND" }, error_of(res))
    end)
  end)

  describe("that wants a part", function()
    local value = "value of part"

    local function part(range, more)
      local headers = { Range = range }
      for k, v in pairs(more or {}) do
        headers[k] = v
      end
      return get("part", headers)
    end

    it("gets it with 206", function()
      for range, want in pairs {
        ["bytes=0-4"] = { "value", "bytes 0-4/13" }, ["bytes=9-"] = { "part", "bytes 9-12/13" },
        ["bytes=-4"] = { "part", "bytes 9-12/13" }, ["bytes=0-0"] = { "v", "bytes 0-0/13" },
        ["bytes=6-99"] = { "of part", "bytes 6-12/13" }, ["bytes=-99"] = { value, "bytes 0-12/13" },
      } do
        local res = part(range)
        assert.same({ 206, want[1], want[2] },
          { res.status, res.body, res.headers["content-range"] })
        assert.equal(tostring(#want[1]), res.headers["content-length"])
        assert.equal(get("part").headers.etag, res.headers.etag)
      end
      assert.equal("bytes", get("part").headers["accept-ranges"])
    end)

    it("gets 416 when nothing of the value is in it", function()
      for _, range in ipairs { "bytes=13-", "bytes=99-100", "bytes=-0" } do
        local res = part(range)
        assert.same({ 416, "", "bytes */13" },
          { res.status, res.body, res.headers["content-range"] })
      end
      assert.equal(416, get("size 0", { Range = "bytes=0-" }).status)
    end)

    it("gets the whole for several, other units and nonsense", function()
      for _, range in ipairs { "bytes=0-1,3-4", "items=0-1", "bytes=4-2", "bytes=x", "bytes" } do
        local res = part(range)
        assert.same({ 200, value }, { res.status, res.body })
        assert.is_nil(res.headers["content-range"])
      end
      assert.equal(200, get("size 0", { Range = "bytes=-5" }).status)
    end)

    it("gets the whole for a HEAD", function()
      local res = assert(n:get("plain", "part", { method = "HEAD",
        headers = { Range = "bytes=0-1" } }))
      assert.same({ 200, "13" }, { res.status, res.headers["content-length"] })
    end)

    it("gets it with If-Range only while the value is the same", function()
      local tag = part().headers.etag
      assert.equal(206, part("bytes=0-1", { ["If-Range"] = tag }).status)
      for _, other in ipairs { '"other"', "W/" .. tag, "Sat, 29 Oct 1994 19:43:31 GMT" } do
        local res = part("bytes=0-1", { ["If-Range"] = other })
        assert.same({ 200, value }, { res.status, res.body })
      end
    end)

    it("gets 304 before a part", function()
      local tag = part().headers.etag
      assert.equal(304, part("bytes=0-1", { ["If-None-Match"] = tag }).status)
      assert.equal(304, part("bytes=99-", { ["If-None-Match"] = tag }).status)
    end)

    it("gets parts of a large value as it was made", function()
      local big = 20 * 1024 * 1024
      local key = "size " .. big
      local res = get(key, { Range = ("bytes=%d-"):format(big - 3) }, "large")
      assert.same({ 206, "xxx", ("bytes %d-%d/%d"):format(big - 3, big - 1, big) },
        { res.status, res.body, res.headers["content-range"] })
      assert.equal(get(key, {}, "large").headers.etag, assert(res.headers.etag))
    end)
  end)

  -- Answers that are asked for again and again are kept made.
  it("that asks again and again is answered as the first time", function()
    local first = get("again")
    local tag = first.headers.etag
    local c = assert(http.connect(n.host, n.port))
    local function ask(headers, method, path)
      return assert(c:request { method = method, target = (path or "/cache/plain/") .. "again",
        headers = headers })
    end
    for _ = 1, 5 do
      for _ = 1, 3 do
        local res = ask()
        assert.same({ 200, "value of again", "main", tag },
          { res.status, res.body, res.headers["x-cache"], res.headers.etag })
        assert.equal(first.headers["content-type"], res.headers["content-type"])
        assert.matches("^%u%l%l, %d%d %u%l%l %d%d%d%d %d%d:%d%d:%d%d GMT$", res.headers.date)
        assert.is_nil(res.headers["content-range"])
      end
      assert.same({ 200, "" }, { ask(nil, "HEAD").status, ask(nil, "HEAD").body })
      assert.same({ 206, "value" }, { ask({ Range = "bytes=0-4" }).status,
        ask({ Range = "bytes=0-4" }).body })
      assert.equal(304, ask({ ["If-None-Match"] = tag }).status)
      for _ = 1, 3 do
        local peer = ask(nil, nil, "/_groupcache/plain/")
        local ours = ask({ ["X-Groupcache-From"] = n.url }, nil, "/_groupcache/plain/")
        assert.same({ "\10\14value of again", "\10\14value of again" }, { peer.body, ours.body })
        assert.same({ [1] = false, [2] = "1" }, { peer.headers["x-groupcache-node"] or false,
          ours.headers["x-groupcache-node"] })
        assert.is_nil(peer.headers.etag)
      end
    end
    c:close()
  end)

  it("that asks again and again gets the new value once it is set", function()
    for i = 1, 20 do
      local value = "value " .. i
      assert(n:get("open", "renewed", { method = "PUT", body = value }))
      for _ = 1, 4 do
        assert.equal(value, get("renewed", nil, "open").body)
      end
    end
  end)

  describe("is told how fresh a value is", function()
    it("by Cache-Control, when it ends at all", function()
      assert.is_nil(get("fresh").headers["cache-control"])
      local left = tonumber(
        get("fresh", nil, "timed").headers["cache-control"]:match "^max%-age=(%d+)$")
      assert.is_true(left >= 90 and left <= 100, left)
    end)

    it("by Age, when it has one", function()
      assert.is_nil(get("age").headers.age)
      assert.is_truthy(eventually(function()
        return tonumber(get("age").headers.age or 0) >= 1
      end, 5, "an Age"))
    end)

    -- A cache in front takes Age from max-age (RFC 9111, 4.2).
    it("by both of them together, so that nobody counts its age twice", function()
      get("counted", nil, "timed")
      local headers
      eventually(function()
        headers = get("counted", nil, "timed").headers
        return tonumber(headers.age or 0) >= 1
      end, 5, "an Age")
      local max_age = tonumber(headers["cache-control"]:match "^max%-age=(%d+)$")
      assert.is_true(max_age == 99 or max_age == 100, max_age)
    end)

    it("when it is past its ttl: X-Cache, Warning, max-age=0", function()
      assert.equal("good", get("k", nil, "fading").body)
      r:file("broken", "")
      local res = eventually(function()
        local answer = get("k", nil, "fading")
        return answer.headers["x-cache"] == "stale" and answer
      end, 5, "a stale value")
      assert.same({ 200, "good", "max-age=0", '110 - "Response is Stale"' },
        { res.status, res.body, res.headers["cache-control"], res.headers.warning })
      local again = get("k", { ["If-None-Match"] = res.headers.etag }, "fading")
      assert.same({ 304, "stale" }, { again.status, again.headers["x-cache"] })
      res = get("never there", nil, "fading")
      assert.same({ 502, "GETTER" }, error_of(res))
      assert.equal("error", res.headers["x-cache"])
    end)

    it("also of keys that are known to be absent", function()
      local res = get("none", nil, "negative")
      assert.same({ 404, "NOTFOUND" }, error_of(res))
      assert.matches("^max%-age=%d%d+$", res.headers["cache-control"])
      assert.equal("error", res.headers["x-cache"])
      get("none", nil, "negative")
      assert.equal(1, r:calls().none)
      assert.is_nil(get("none such").headers["cache-control"])
    end)

    it("and has no say in it", function()
      get("stubborn")
      local res = get("stubborn", { ["Cache-Control"] = "no-cache, no-store", Pragma = "no-cache" })
      assert.equal("main", res.headers["x-cache"])
      assert.equal(1, r:calls().stubborn)
    end)
  end)

  describe("that changes a group", function()
    local function put(key, body, headers)
      return assert(n:get("open", key, { method = "PUT", body = body, headers = headers }))
    end

    it("sets values, whatever the bytes are", function()
      for key, value in pairs { a = "new", [""] = "of the empty key", ["\0/+%"] = "\0\255\r\n",
        empty = "", full = ("v"):rep(1000) } do
        local res = put(key, value)
        assert.same({ 204, "" }, { res.status, res.body })
        assert.is_nil(res.headers["content-length"])
        local got = get(key, nil, "open")
        assert.same({ 200, value, "main" }, { got.status, got.body, got.headers["x-cache"] })
        assert.is_nil(r:calls()[key])
      end
      assert.equal(204, put("no body").status) -- as an empty one
      assert.equal("", get("no body", nil, "open").body)
    end)

    it("replaces what was loaded", function()
      assert.equal("value of load", get("load", nil, "open").body)
      put("load", "mine")
      assert.equal("mine", get("load", nil, "open").body)
    end)

    it("says how long the value is good for with max-age", function()
      put("brief", "v", { ["Cache-Control"] = "max-age=100" })
      assert.matches("^max%-age=%d%d", get("brief", nil, "open").headers["cache-control"])
      put("brief", "v")
      assert.is_nil(get("brief", nil, "open").headers["cache-control"])
      put("brief", "gone", { ["Cache-Control"] = "max-age=0" })
      assert.equal("value of brief", get("brief", nil, "open").body)
      put("short", "v", { ["Cache-Control"] = "max-age=1" })
      eventually(function()
        return get("short", nil, "open").body == "value of short"
      end, 5, "the end of the value")
      assert.same({ 400, "INVAL" }, error_of(put("bad", "v", { ["Cache-Control"] = "max-age=x" })))
    end)

    it("removes keys, present or not", function()
      put("gone", "v")
      for _ = 1, 2 do
        assert.equal(204, assert(n:get("open", "gone", { method = "DELETE" })).status)
      end
      assert.equal("value of gone", get("gone", nil, "open").body)
    end)

    it("flushes it", function()
      put("one", "v")
      put("two", "v")
      assert.equal(204, assert(n:request { method = "DELETE", target = "/cache/open" }).status)
      assert.equal("value of one", get("one", nil, "open").body)
      assert.equal("value of two", get("two", nil, "open").body)
      assert.equal(1, n:stats().groups.open.flushes)
    end)

    it("may not, unless it is writable: 403", function()
      get("kept")
      for _, request in ipairs {
        { method = "PUT", target = "/cache/plain/kept", body = "forged" },
        { method = "PUT", target = "/cache/plain/kept" },
        { method = "DELETE", target = "/cache/plain/kept" },
        { method = "DELETE", target = "/cache/plain" },
      } do
        assert.same({ 403, "INVAL" }, error_of(assert(n:request(request))))
      end
      local res = get("kept")
      assert.same({ "value of kept", "main" }, { res.body, res.headers["x-cache"] })
    end)

    it("is told what cannot be", function()
      for _, case in ipairs {
        { 413, "TOOBIG", { method = "PUT", target = "/cache/open/k", body = ("v"):rep(1001) } },
        { 404, "NOTFOUND", { method = "PUT", target = "/cache/nope/k", body = "v" } },
        { 404, "NOTFOUND", { method = "DELETE", target = "/cache/nope/k" } },
        { 404, "NOTFOUND", { method = "DELETE", target = "/cache/nope" } },
        { 400, "INVAL", { method = "PUT", target = "/cache/open/" .. ("k"):rep(1001) } },
        { 400, "INVAL", { method = "PUT", target = "/cache/open/%zz" } },
        { 405, "INVAL", { method = "PUT", target = "/cache/open" } },
        { 405, "INVAL", { method = "POST", target = "/cache/open/k" } },
      } do
        assert.same({ case[1], case[2] }, error_of(assert(n:request(case[3]))), case[3].target)
      end
      assert.equal("GET, HEAD, PUT, DELETE",
        assert(n:request { method = "POST", target = "/cache/open/k" }).headers.allow)
    end)
  end)

  describe("that asks for many keys", function()
    local function ask(body, group, headers)
      return assert(n:request { method = "POST", target = "/cache/" .. (group or "plain"),
        body = body, headers = headers, timeout = 20 })
    end

    local function results(keys, group)
      local res = ask(cjson.encode(keys), group)
      assert.same({ 200, "application/json" }, { res.status, res.headers["content-type"] })
      return cjson.decode(res.body).results
    end

    it("gets a result of each, in their order", function()
      get("many 1")
      local got = results { "many 1", "many 2", "none of many", "fails in many", "many 2", "" }
      assert.same({
        { key = "many 1", value = "value of many 1", source = "main" },
        { key = "many 2", value = "value of many 2", source = "local" },
        { key = "none of many", error = got[3].error, code = "NOTFOUND" },
        { key = "fails in many", error = "no luck", code = "GETTER" },
        { key = "many 2", value = "value of many 2", source = got[5].source },
        { key = "", value = "value of ", source = "local" },
      }, got)
      assert.equal(1, r:calls()["many 2"])
      assert.same({ results = {} }, cjson.decode(ask("[]").body))
    end)

    it("gets bytes that are no text as base64", function()
      assert(n:get("open", "binary", { method = "PUT", body = "\0\1\255" }))
      assert(n:get("open", "text", { method = "PUT", body = "é\n" }))
      assert.same({ { key = "binary", base64 = "AAH/", source = "main" },
        { key = "text", value = "é\n", source = "main" } }, results({ "binary", "text" }, "open"))
    end)

    it("waits for all at once", function()
      local keys, got = {}, nil
      for i = 1, 40 do
        keys[i] = "waits for " .. i
      end
      http.together {
        function()
          got = results(keys)
        end,
        function()
          rig.wait(n, function()
            return r:calls()["waits for 40"]
          end, 10, "all loads")
          assert.is_nil(got)
          for i = 40, 1, -1 do
            r:open("waits for " .. i)
          end
        end,
      }
      for i, result in ipairs(got) do
        assert.equal("value of waits for " .. i, result.value)
      end
    end)

    it("may ask for 10000, and not for more", function()
      local keys = {}
      for i = 1, 10000 do
        keys[i] = "n" .. i
      end
      local got = results(keys)
      assert.equal(10000, #got)
      for i = 1, 10000, 999 do
        assert.equal("value of n" .. i, got[i].value)
      end
      keys[10001] = "one more"
      assert.same({ 400, "INVAL" }, error_of(ask(cjson.encode(keys))))
    end)

    it("is told which values are too much together", function()
      local keys = {}
      for i = 1, 8 do
        keys[i] = "size 10000000 " .. i
      end
      local whole, refused = 0, 0
      for _, result in ipairs(results(keys, "large")) do
        if result.value then
          assert.equal(10000000, #result.value)
          whole = whole + 1
        else
          assert.equal("TOOBIG", result.code)
          refused = refused + 1
        end
      end
      assert.same({ 6, 2 }, { whole, refused })
    end)

    it("is told what cannot be", function()
      for _, case in ipairs {
        { 400, "INVAL", "" }, { 400, "INVAL", "{}" }, { 400, "INVAL", '["a"' },
        { 400, "INVAL", "[1]" }, { 400, "INVAL", '["\255"]' }, { 400, "INVAL", '["a"]x' },
        { 400, "INVAL", '["' .. ("k"):rep(1001) .. '"]' }, { 404, "NOTFOUND", '["a"]', "nope" },
      } do
        assert.same({ case[1], case[2] }, error_of(ask(case[3], case[4])), case[3])
      end
      assert.same({ 400, "INVAL" }, error_of(ask(nil)))
    end)

    it("is told where half of a surrogate pair stands: two keys would be one", function()
      for _, half in ipairs { [[\ud83d]], [[\ude00]] } do
        local res = ask(([=[["half","%s"]]=]):format(half))
        assert.equal(400, res.status)
        assert.same({ code = "INVAL",
          error = "key 2 of the list has half of a surrogate pair: see byte 9 of the body" },
          cjson.decode(res.body))
      end
      assert.is_nil(r:calls()["half"])
      assert.equal("value of \240\159\152\128", results({ "\240\159\152\128" })[1].value)
    end)
  end)

  it("leaves nothing behind", function()
    for name, group in pairs(n:stats().groups) do
      assert.same({ 0, 0 }, { group.flights, group.waiters }, name)
    end
    assert.is_nil(n:logged "level=error")
  end)
end)

describe("clients of a cluster", function()
  local nodes, peers, r

  setup(function()
    r = rig.new()
    nodes = node.cluster(3, { script = r:script [[
      require("groupcache").group("open", {
        writable = true, hot = "always", timeout = 3,
        getter = function(key) rig.record(key) return "loaded" end,
      })
    ]] })
    peers = {}
    for i, each in ipairs(nodes) do
      peers[i] = each.url
    end
  end)

  teardown(function()
    rig.stop_all(nodes)
  end)

  local function all_have(key, value)
    for i, each in ipairs(nodes) do
      assert.equal(value, assert(each:get("open", key)).body, "node " .. i)
    end
  end

  it("see what one of them set, removed or flushed, on every node", function()
    for i, each in ipairs(nodes) do
      local key = rig.owned_by(peers, peers[1], "key of " .. i)
      all_have(key, "loaded")
      assert.equal(204, assert(each:get("open", key, { method = "PUT", body = "set" })).status)
      all_have(key, "set")
      assert.equal(204, assert(each:get("open", key, { method = "DELETE" })).status)
      all_have(key, "loaded")
      assert(each:get("open", key, { method = "PUT", body = "set" }))
      assert.equal(204, assert(each:request { method = "DELETE", target = "/cache/open" }).status)
      all_have(key, "loaded")
    end
  end)

  it("get lists from all owners", function()
    local keys, want = {}, {}
    for i = 1, 300 do
      keys[i] = "list " .. i
      want[i] = "loaded"
    end
    local res = assert(nodes[1]:request { method = "POST", target = "/cache/open",
      body = cjson.encode(keys) })
    local sources = {}
    for i, result in ipairs(cjson.decode(res.body).results) do
      assert.same({ keys[i], want[i] }, { result.key, result.value })
      sources[result.source] = true
    end
    assert.same({ peer = true, ["local"] = true }, sources)
  end)

  it("are told which nodes did not confirm", function()
    local key = rig.owned_by(peers, peers[1], "lost")
    nodes[3]:kill9()
    local res = assert(nodes[1]:get("open", key, { method = "PUT", body = "set", timeout = 10 }))
    nodes[3] = nil
    assert.equal(502, res.status)
    local said = cjson.decode(res.body)
    assert.same({ "PEER", { peers[3] } }, { said.code, said.missing })
    assert.matches(peers[3], said.error, 1, true)
    assert.equal("set", assert(nodes[1]:get("open", key)).body)
    assert.equal("set", assert(nodes[2]:get("open", key)).body)
  end)
end)
