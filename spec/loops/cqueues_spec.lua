-- SPDX-License-Identifier: MIT

-- Getters that use the libraries of cqueues, rightly and wrongly.

local eventually = require "support.eventually"
local fake = require "node.fake"
local http = require "support.http"
local nginx = require "support.nginx"
local rig = require "node.rig"
local socket = require "socket"
local tmp = require "support.tmp"
local under = require "loops.under"

local SLOW = os.getenv "SAN" or os.getenv "GROUPCACHED_WRAP"

local HEAD = [[
local groupcache = require "groupcache"
local cqueues = require "cqueues"
local condition, sockets = require "cqueues.condition", require "cqueues.socket"
local quick = groupcache.group("quick", { getter = function(key) return "q:" .. key end })
]]

describe("under cqueues a getter", function()
  local r, n

  local function start(body, opts)
    r, n = under.start("cqueues", HEAD, body, opts)
  end

  local function get(key, timeout)
    return under.get(n, key, timeout)
  end

  local function quick()
    under.quick(n)
  end

  after_each(function()
    rig.stop(n)
    n = nil
  end)

  it("fetches from nginx with lua-http, many at a time", function()
    local dir = tmp.dir()
    for i = 1, 50 do
      tmp.write(dir .. "/" .. i, ("file %d\n"):format(i):rep(i * 100))
    end
    local origin = nginx.start { root = dir }
    start([[
      local headers, stream = require("http.request").new_from_uri(os.getenv "ORIGIN" .. key):go(5)
      if not headers then return nil, stream end
      if headers:get ":status" == "404" then return nil end
      return stream:get_body_as_string(5)
    ]], { env = { ORIGIN = origin.url .. "/" } })
    local fns = {}
    for i = 1, 50 do
      fns[i] = function()
        assert.equal(("file %d\n"):format(i):rep(i * 100), get(tostring(i)).body)
      end
    end
    http.together(fns)
    assert.equal(404, get("none").status)
    assert.equal(51, #origin:requests(51))
    origin:stop()
    assert.equal(502, get("down").status)
    assert.matches("Connection refused", get("down").body, 1, true)
  end)

  it("waits for sockets, naps, other groups and children at the same time", function()
    local server = fake.start [[return function(request, c)
      c:sleep(0.1)
      c:send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n" .. request.target:sub(2, 5))
    end]]
    start([[
      local function fetch(what)
        local conn = sockets.connect("127.0.0.1", tonumber(os.getenv "PORT"))
        conn:setmode("b", "bf")
        conn:write("GET /", what, " HTTP/1.1\r\n\r\n")
        for line in conn:lines "*l" do if line == "\r" then break end end
        local answer = conn:read(4)
        conn:close()
        return answer
      end
      local child = groupcache.spawn(function()
        groupcache.sleep(0.05)
        return fetch "kid1" .. quick:get "a"
      end)
      local values = groupcache.all {
        function() return fetch "kid2" end,
        function() groupcache.sleep(0.1) return "nap" end,
        function() cqueues.sleep(0.1) return quick:get "b" end,
      }
      local own = fetch "mine"
      return table.concat({ own, child:wait(), values[1], values[2], values[3] }, " ")
    ]], { env = { PORT = server.port } })
    assert.equal("mine kid1q:a kid2 nap q:b", get("k").body)
    server:stop()
  end)

  it("two hundred that wait for a condition are woken by another", function()
    start([[
      if key == "signal" then shared:signal() return "signalled" end
      rig.record(key)
      shared:wait()
      return "woken " .. key
    ]], { top = "local shared = condition.new()\n" })
    local fns = {}
    for i = 1, 200 do
      fns[i] = function() assert.equal("woken w" .. i, get("w" .. i).body) end
    end
    fns[201] = function()
      rig.wait(n, function() return r:total() == 200 end, 20, "all wait")
      assert.equal("signalled", get("signal").body)
    end
    http.together(fns)
  end)

  it("a thousand at once poll for a time", function()
    start "cqueues.sleep(0.2) return key"
    local fns = {}
    for i = 1, 1000 do
      fns[i] = function() assert.equal("k" .. i, get("k" .. i).body) end
    end
    http.together(fns)
    n:stop()
    start [[
      local functions = {}
      for i = 1, 1000 do functions[i] = function() cqueues.sleep(0.2) return i end end
      local sum, values = 0, groupcache.all(functions)
      for _, value in ipairs(values) do sum = sum + value end
      return tostring(sum)
    ]]
    local began = socket.gettime()
    assert.equal("500500", get("k").body)
    assert(SLOW or socket.gettime() - began < 20, "one after another")
  end)

  it("is stopped at its deadline while it polls, and leaves nothing behind", function()
    start([[
      rig.record(key)
      local pair, other = sockets.pair()
      open[#open + 1] = other
      local ok, err = pcall(pair.read, pair, "*l")
      rig.record "went on"
      return tostring(ok) .. tostring(err)
    ]], { timeout = 0.3, top = [[
      local open = {}
      groupcache.group("open", { getter = function(what)
        if what:find "close" then
          for _, conn in ipairs(open) do conn:write "late\n" conn:flush() conn:close() end
          open = {}
        end
        collectgarbage() collectgarbage()
        return tostring(cqueues.running():count())
      end })
    ]] })
    local fns = {}
    for i = 1, 20 do
      fns[i] = function()
        local began = socket.gettime()
        assert.equal("TIMEOUT", under.code_of(get("k" .. i))[2])
        assert(SLOW or socket.gettime() - began < 5, "late")
      end
    end
    http.together(fns)
    local asked = 0
    eventually(function()
      asked = asked + 1
      return assert(n:get("open", "k" .. asked)).body == "1" -- its own carrier
    end, 5, "the carriers end")
    assert.equal("1", assert(n:get("open", "close")).body)
    quick()
    assert.is_nil(r:calls()["went on"])
  end)

  it("that computes for ever after it has polled is stopped, the others are not", function()
    start([[
      cqueues.sleep(0.05)
      if key == "loop" then while true do pcall(function() while true do end end) end end
      cqueues.sleep(0.6)
      return "rested"
    ]], { timeout = 2 })
    local nap, loop
    http.together {
      function() nap = get "nap" end,
      function() loop = get "loop" end,
    }
    assert.equal("TIMEOUT", under.code_of(loop)[2])
    assert.is_true(nap.status == 200 or nap.status == 504) -- both had the same deadline
    quick()
    assert.equal("rested", get("later").body)
  end)

  it("that throws after it has polled fails with its line, and a traceback", function()
    start "cqueues.sleep(0.01) error('thrown ' .. key)"
    local got = under.code_of(get "k")
    assert.same({ 502, "GETTER" }, { got[1], got[2] })
    assert.equal("thrown k", got[3])
    assert.is_truthy(n:logged "node.lua:%d+: thrown k")
    assert.is_truthy(n:logged 'msg="getter threw" group=g key="k" error="[^"]*traceback')
  end)

  it("that yields something else is told so, and so are its children", function()
    start [[
      if key == "own" then coroutine.yield(5) end
      return select(2, pcall(function() groupcache.spawn(function()
        cqueues.sleep(0.01)
        coroutine.yield()
      end):wait() end))
    ]]
    assert.matches("the getter yielded: only functions of this API may yield",
      get("own").body, 1, true)
    assert.equal("a spawned function yielded: only functions of this API may yield",
      get("child").body)
  end)

  it("that cannot be polled for fails with the reason", function()
    start [[
      if key == "no socket" then cqueues.poll { pollfd = "x" } end
      if key == "the loop" then cqueues.running():step() end
      return "fine"
    ]]
    assert.equal("GETTER", under.code_of(get "no socket")[2])
    assert.equal("GETTER", under.code_of(get "the loop")[2])
    assert.equal("fine", get("k").body)
    quick()
  end)

  it("cannot end the loop, nor be resumed by others", function()
    start([[
      if key == "parked" then
        parked = coroutine.running()
        rig.record "parked"
        cqueues.sleep(1)
        return "by cqueues"
      elseif key == "resume" then
        return tostring(select(2, coroutine.resume(parked)))
      end
      cqueues.running():close()
    ]], { top = "local parked\n" })
    assert.matches("cqueue running", under.code_of(get "close")[3], 1, true)
    local resumed
    http.together {
      function() assert.equal("by cqueues", get("parked").body) end,
      function()
        rig.wait(n, function() return r:calls().parked end)
        resumed = get("resume").body
      end,
    }
    assert.equal("a getter that cqueues polls for is resumed by cqueues", resumed)
    quick()
  end)

  describe("may leave coroutines of its own in the loop,", function()
    local function leave(body)
      start("cqueues.running():wrap(function() " .. body .. " end) return 'left'")
      assert.equal("left", get("k").body)
    end

    it("which run on", function()
      leave "cqueues.sleep(0.05) rig.record 'ran' "
      eventually(function() return r:calls().ran end, 5, "it runs")
    end)

    it("which may throw", function()
      leave "cqueues.sleep(0.01) error 'thrown'"
      eventually(function()
        return n:logged 'msg="a coroutine of the event loop threw" error="[^"]*thrown'
      end, 5, "it is logged")
      quick()
    end)

    it("which may yield nonsense", function()
      leave "coroutine.yield 'nonsense'"
      eventually(function() return n:logged "event loop yielded" end, 5, "it is logged")
      quick()
    end)

    it("which may not wait in a getter's way", function()
      leave "groupcache.sleep(1)"
      eventually(function()
        return n:logged "only a getter or a background function can wait"
      end, 5, "it is logged")
      quick()
    end)

    it("which are stopped when they compute for more than a second", function()
      leave "while true do pcall(function() while true do end end) end"
      eventually(function() return n:logged "took longer than a second" end, 10, "it is logged")
      quick()
      assert.equal(0, n:stats().workers.replaced)
    end)
  end)

  it("goes on with work that the script began as it was loaded", function()
    start("rig.record 'waits' return shared:wait(5) and 'signalled' or 'nothing'", { top = [[
      local shared = condition.new()
      local early = cqueues.new()
      early:wrap(function() cqueues.sleep(0) rig.record "at load" end)
      assert(early:loop())
      groupcache.group("signal", { getter = function() shared:signal() return "did" end })
    ]] })
    assert(r:calls()["at load"])
    http.together {
      function() assert.equal("signalled", get("k").body) end,
      function()
        rig.wait(n, function() return r:calls().waits end) -- its VM serves others once it does
        assert.equal("did", assert(n:get("signal", "k")).body)
      end,
    }
  end)

  it("does not keep the node from stopping", function()
    start("rig.record(key) local a, b = sockets.pair() return a:read '*l' or b",
      { timeout = 60, args = { "--drain-timeout", "0.2" } })
    local fns = {}
    for i = 1, 20 do
      fns[i] = function()
        local res = n:get("g", "k" .. i, { timeout = 20 })
        assert(not res or res.status == 503)
      end
    end
    fns[21] = function()
      rig.wait(n, function() return r:total() == 20 end, 10, "all wait")
      n:signal "SIGTERM"
    end
    local began = socket.gettime()
    http.together(fns)
    assert.equal(0, (n.process:wait(10)))
    assert(SLOW or socket.gettime() - began < 15, "it took too long")
    n = nil
  end)
end)
