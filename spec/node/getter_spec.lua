-- SPDX-License-Identifier: MIT

-- What a getter can do: wait side by side with others, ask other groups, log, return any bytes, set
-- a time to live, be as wrong as it likes. What it asks of the web is in http_spec.lua.

local cjson = require "cjson"
local eventually = require "support.eventually"
local http = require "support.http"
local node = require "support.node"
local process = require "support.process"
local rig = require "node.rig"
local socket = require "socket"
local sorted = require "groupcache.sorted"
local tmp = require "support.tmp"

local function error_of(res)
  local body = cjson.decode(res.body)
  return { res.status, body.code, body.error }
end

local function slowed()
  return os.getenv "SAN" or os.getenv "GROUPCACHED_WRAP"
end

describe("a getter", function()
  local r, n

  local function start(source, opts)
    r, n = rig.start(source, opts)
    return n
  end

  after_each(function()
    rig.stop(n)
    n = nil
  end)

  it("waits beside 199 others in one VM: 200 naps of 100 ms take less than 500 ms", function()
    start [[
      local groupcache = require "groupcache"
      groupcache.group("naps", {
        getter = function(key)
          groupcache.sleep(0.1)
          return "rested " .. key
        end,
      })
    ]]
    local fns, began, ended = {}, nil, nil
    for i = 1, 200 do
      fns[i] = function()
        began = began or socket.gettime()
        local res = assert(n:get("naps", tostring(i)))
        assert.equal("rested " .. i, res.body)
        ended = socket.gettime()
      end
    end
    http.together(fns)
    local took = ended - began
    assert(took >= 0.1, "nobody slept")
    assert(took < 5, ("%.3f s"):format(took)) -- one after the other would be 20 s
  end)

  it("asks another group, whose values are cached", function()
    start [[
      local groupcache = require "groupcache"
      local words = groupcache.group("words", {
        getter = function(key)
          rig.record(key)
          if key == "none" then return nil end
          if key == "bad" then return nil, "no such luck" end
          return key:upper()
        end,
      })
      groupcache.group("pairs", {
        getter = function(key)
          local a, b = key:match "^(.-)-(.*)$"
          local one, _, from_one = words:get(a)
          local two, err, code_or_source = words:get(b)
          return ("%s %s %s %s %s"):format(one, from_one, tostring(two), tostring(err),
            tostring(code_or_source))
        end,
      })
    ]]
    assert.equal("A local B nil local", assert(n:get("pairs", "a-b")).body)
    assert.equal("A main C nil local", assert(n:get("pairs", "a-c")).body)
    assert.equal("A main A nil main", assert(n:get("pairs", "a-a")).body)
    assert.equal("A main nil no such luck GETTER", assert(n:get("pairs", "a-bad")).body)
    assert.equal("A main nil group words: not found NOTFOUND",
      assert(n:get("pairs", "a-none")).body)
    assert.same({ a = 1, b = 1, c = 1, bad = 1, none = 1 }, r:calls())
    assert.equal("main", assert(n:get("words", "b")).headers["x-cache"])
  end)

  it("that asks for its own key is told at once that this is a circle", function()
    start [[
      local groupcache = require "groupcache"
      local self
      self = groupcache.group("self", {
        timeout = 30,
        getter = function(key)
          if key == "fine" then return "fine" end
          return self:get(key)
        end,
      })
    ]]
    local res = assert(n:get("self", "k", { timeout = 5 }))
    assert.same({ 508, "CYCLE" }, { res.status, cjson.decode(res.body).code })
    assert.equal("fine", assert(n:get("self", "fine")).body)
    assert.equal(0, n:stats().groups.self.flights)
  end)

  it("knows its key and group", function()
    start [[
      require("groupcache").group("who am i", {
        getter = function(key, ctx)
          return ("%s|%s|%s|%s"):format(key, ctx.key, ctx.group, tostring(ctx.from_peer))
        end,
      })
    ]]
    assert.equal("a b|a b|who am i|false", assert(n:get("who am i", "a b")).body)
  end)

  it("is given both arguments, however it takes them", function()
    start [[
      local groupcache = require "groupcache"
      local function group(name, getter)
        groupcache.group(name, { getter = getter })
      end
      group("dots", function(...) return select("#", ...) .. (select(2, ...)).key end)
      group("second in dots", function(_, ...) return (...).group end)
      group("unused", function(_, _) return "fine" end)
      group("key alone", function(key) return key end)
      group("in C", select)
      groupcache.group("codec", { codec = "json",
        getter = function(_, ctx) return { ctx.key } end })
    ]]
    local got = {}
    for _, name in ipairs { "dots", "second in dots", "unused", "key alone", "codec" } do
      got[name] = assert(n:get(name, "k")).body
    end
    assert.same({ dots = "2k", ["second in dots"] = "second in dots", unused = "fine",
      ["key alone"] = "k", codec = '["k"]' }, got)
    assert.matches('the table that the getter returned: "[%l_]+" is no field of it',
      cjson.decode(assert(n:get("in C", "1")).body).error)
  end)

  it("cannot forge a line of the log", function()
    start [[
      local groupcache = require "groupcache"
      groupcache.group("log", {
        getter = function(key)
          groupcache.log("info", "first\ntime=now level=error mod=node msg=\"forged\"",
            { field = "x\"\r\nlevel=error forged=yes", count = 3, yes = true, key = key })
          groupcache.log("debug", "not at this level")
          return "done"
        end,
      })
    ]]
    assert.equal("done", assert(n:get("log", 'k"\n\0 forged=key')).body)
    local lines = {}
    for line in n:log():gmatch "[^\n]+" do
      assert.matches("^time=%S+ level=%a+ mod=%a+ msg=\"[^\"]*\"", line)
      if line:find("first", 1, true) then
        lines[#lines + 1] = line
      end
    end
    assert.equal(1, #lines)
    assert.matches("level=info mod=script ", lines[1], 1, true)
    assert.matches([[ msg="first\x0atime=now level=error mod=node msg=\x22forged\x22" count=3 ]],
      lines[1], 1, true)
    assert.matches([[ field="x\x22\x0d\x0alevel=error forged=yes" ]], lines[1], 1, true)
    assert.matches([[ key="k\x22\x0a\x00 forged=key" yes=true]], lines[1], 1, true)
    assert.is_nil(n:logged "not at this level")
  end)

  describe("that waits in the wrong place", function()
    local WAITS = {
      ["groupcache.sleep"] = "groupcache.sleep(0.01)",
      ["http.get"] = "http.get('http://127.0.0.1:1/')",
      ["http.request"] = "http.request { url = 'http://127.0.0.1:1/' }",
      ["group:get"] = "other:get('k')",
    }

    local PLACES = {
      ["a coroutine of its own"] = { "coroutine.wrap(function()", "end)()" },
      ["table.sort"] = { "table.sort({ 3, 1, 2 }, function()", "end)" },
      ["string.gsub"] = { "(('abc'):gsub('b', function()", "end))" },
    }

    local HEAD = [[
      local groupcache = require "groupcache"
      local http = require "groupcache.http"
      local other = groupcache.group("other", { getter = function() return "v" end })
    ]]

    for _, name in ipairs(sorted(WAITS)) do
      for place, around in pairs(PLACES) do
        it(("(%s inside %s) is told so at its own line"):format(name, place), function()
          start(HEAD .. ([[
            groupcache.group("g", {
              timeout = 3,
              getter = function()
                local _ = %s
                  %s -- the line
                %s
                return "not reached"
              end,
            })
          ]]):format(around[1], WAITS[name], around[2]))
          local line = tmp.read(n.script):match "^(.-)%-%- the line"
          line = select(2, line:gsub("\n", "")) + 1
          local got = error_of(assert(n:get("g", "k", { timeout = 5 })))
          assert.same({ 502, "GETTER" }, { got[1], got[2] })
          assert.is_truthy(n:logged(("node%%.lua:%d: "):format(line)))
          local named = name == "http.get" and "http.request" or name -- which it is a form of
          assert.equal(1, (got[3]:find(named .. " waits, and ", 1, true))) -- without the place
          assert.equal("v", assert(n:get("other", "k")).body)
        end)
      end

      it(("(%s while the script runs) keeps the node from starting, with its line"):format(name),
        function()
          local path = tmp.file(HEAD .. WAITS[name] .. "\n", "node.lua")
          local out = process.run { node.binary, path, "--listen", "127.0.0.1:0", timeout = 20 }
          assert.equal(1, out.code)
          assert.matches(("node%%.lua:%d: "):format(4), out.stderr)
          assert.matches("only a getter or a background function can wait", out.stderr, 1, true)
          assert.equal(1, select(2, out.stderr:gsub("\n", "")))
        end)
    end
  end)

  describe("with a third result", function()
    it("has its value forgotten after that many seconds", function()
      start [[
        local calls = 0
        require("groupcache").group("short", {
          getter = function()
            calls = calls + 1
            return "call " .. calls, nil, 0.05
          end,
        })
      ]]
      assert.equal("call 1", assert(n:get("short", "k")).body)
      eventually(function() return assert(n:get("short", "k")).body == "call 3" end, 5)
      assert.is_true(n:stats().groups.short.local_loads >= 3)
    end)

    it("of 0 or less gives the value to the waiters alone", function()
      start [[
        local calls = 0
        require("groupcache").group("now", {
          getter = function(key)
            calls = calls + 1
            return "call " .. calls, nil, tonumber(key)
          end,
        })
      ]]
      local call = 0
      for _, ttl in ipairs { "0", "-1", "nan", "-1e300" } do
        for _ = 1, 2 do
          call = call + 1
          local res = assert(n:get("now", ttl))
          assert.same({ 200, "call " .. call, "local" },
            { res.status, res.body, res.headers["x-cache"] })
        end
      end
      assert.equal("call " .. call + 1, assert(n:get("now", "1e300")).body)
      assert.equal("call " .. call + 1, assert(n:get("now", "1e300")).body)
    end)

    it("overrules the group's ttl, which holds for all others", function()
      start [[
        local calls = 0
        require("groupcache").group("both", {
          ttl = 0.05,
          getter = function(key)
            calls = calls + 1
            return "call " .. calls, nil, key == "long" and 3600 or nil
          end,
        })
      ]]
      assert.equal("call 1", assert(n:get("both", "long")).body)
      assert.equal("call 2", assert(n:get("both", "k")).body)
      eventually(function() return assert(n:get("both", "k")).body == "call 4" end, 5)
      assert.equal("call 1", assert(n:get("both", "long")).body)
    end)
  end)

  it("finds modules through LUA_PATH, beside the script, and C modules such as cjson", function()
    local dir = tmp.dir()
    tmp.write(dir .. "/greeting.lua", "return { text = 'hello' }")
    start([[
      local greeting = require "greeting"
      local cjson = require "cjson"
      require("groupcache").group("json", {
        getter = function(key) return cjson.encode { [key] = greeting.text } end,
      })
    ]], { env = { LUA_PATH = dir .. "/?.lua;;" }, args = { "--workers", "2" } })
    for i = 1, 20 do -- both VMs
      assert.equal(('{"k%d":"hello"}'):format(i), assert(n:get("json", "k" .. i)).body)
    end
  end)
end)

describe("two nodes", function()
  local r, a, b

  setup(function()
    r = rig.new()
    a, b = unpack(node.cluster(2, { args = { "--connect-timeout", "5" }, script = r:script [[
      local groupcache = require "groupcache"
      groupcache.group("bytes", {
        hot = "never",
        getter = function(key)
          rig.record(key)
          return key == "empty value" and "" or "v:" .. key
        end,
      })
      groupcache.group("expiring", {
        hot = "always",
        getter = function(key) -- no two values are the same
          return tostring({}) .. os.time(), nil, tonumber(key:match "^[%d.]+")
        end,
      })
    ]] }))
  end)

  teardown(function()
    for _, n in ipairs { a, b } do
      rig.stop(n)
    end
  end)

  -- The value of a GetResponse, which is its field 1.
  local function value_of(message)
    assert.equal(0x0a, message:byte())
    local size, shift, at = 0, 1, 2
    repeat
      local byte = message:byte(at)
      size, shift, at = size + byte % 128 * shift, shift * 128, at + 1
    until byte < 128
    assert.equal(#message, at + size - 1)
    return message:sub(at)
  end

  local function every_byte()
    local keys = {}
    for i = 0, 255 do
      keys[#keys + 1] = string.char(i)
      keys[#keys + 1] = "k" .. string.char(i) .. "z"
      keys[#keys + 1] = "k%" .. string.char(i)
    end
    for _, key in ipairs { "", ".", "..", "a/b", "/", "a//b/", "../../etc", "%2F", "%00", "a+b",
        "a b", "?q=1", "#x", "\0", "\0\0a", ("long "):rep(200), "\r\nX-Forged: 1" } do
      keys[#keys + 1] = key
    end
    return keys
  end

  it("give values for keys of any bytes through both faces, each loaded once", function()
    local keys = every_byte()
    local requests, expected = {}, {}
    for _, key in ipairs(keys) do
      for _, n in ipairs { a, b } do
        for _, path in ipairs { "/cache/bytes/", "/_groupcache/bytes/" } do
          requests[#requests + 1] = { port = n.port, target = path .. http.escape(key) }
          expected[#requests] = { path = path, key = key }
        end
      end
    end
    for i, res in ipairs(http.parallel(requests, 16)) do
      local e = expected[i]
      assert(res.status == 200, ("%q: %s"):format(e.key, tostring(res.err or res.body)))
      local value = e.path == "/cache/bytes/" and res.body or value_of(res.body)
      assert.equal("v:" .. e.key, value)
    end
  end)

  it("load a key once for both, when asked through the clients' face", function()
    for _, key in ipairs { "once", "on\0ce", "on/ce", "" } do
      key = key .. " for both"
      local one, two = assert(a:get("bytes", key)), assert(b:get("bytes", key))
      assert.equal("v:" .. key, one.body)
      assert.equal("v:" .. key, two.body)
      assert.equal(1, r:calls()[key])
    end
  end)

  it("take a raw plus for a space in both faces, as the Go original does", function()
    for _, path in ipairs { "/cache/bytes/", "/_groupcache/bytes/" } do
      local res = assert(a:request { target = path .. "a+b%2Bc" })
      assert.equal("v:a b+c", path == "/cache/bytes/" and res.body or value_of(res.body))
    end
  end)

  it("keep an empty value apart from a missing one", function()
    for _, n in ipairs { a, b, a, b } do
      local res = assert(n:get("bytes", "empty value"))
      assert.same({ 200, "", "0" }, { res.status, res.body, res.headers["content-length"] })
      res = assert(n:request { target = "/_groupcache/bytes/empty%20value" })
      assert.equal("\10\0", res.body)
    end
  end)

  it("tell each other how long a value has still to live", function()
    local owner_url = rig.owner({ a.url, b.url }, "60")
    local owner, asker = a, b
    if owner_url == b.url then
      owner, asker = b, a
    end
    local value = assert(owner:get("expiring", "60")).body
    local function left()
      local res = assert(owner:request { target = "/_groupcache/expiring/60" })
      return tonumber(res.headers["x-groupcache-ttl"])
    end
    local first = left()
    assert.is_true(first > 0 and first <= 60001)
    eventually(function() return left() < first end, 5, "the time left gets less")
    assert.equal(value, assert(asker:get("expiring", "60")).body)
    assert.equal("hot", assert(asker:get("expiring", "60")).headers["x-cache"])
  end)

  it("drop a value from one node's hot cache when it expires at the other", function()
    local key, owner, asker
    local last = 0 -- when it was asked for and still there
    for i = 1, 100 do
      key = ("2 %d"):format(i)
      owner, asker = a, b
      if rig.owner({ a.url, b.url }, key) == a.url then
        break
      end
    end
    local value = assert(owner:get("expiring", key)).body
    local began = socket.gettime()
    eventually(function() return socket.gettime() - began > 1 end) -- half of its life
    local taken = assert(asker:get("expiring", key))
    if taken.body == value then
      eventually(function()
        local asked = socket.gettime()
        if assert(asker:get("expiring", key)).body ~= value then
          return true
        end
        last = asked
      end)
      -- A whole life from the copying on would have been 3 s.
      assert(last - began < 2.9 or slowed(), "it lived on in the hot cache")
    end
  end)
end)
