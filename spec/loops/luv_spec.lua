-- SPDX-License-Identifier: MIT

-- Getters that use libuv through luv, rightly and wrongly.

local eventually = require "support.eventually"
local fake = require "node.fake"
local http = require "support.http"
local node = require "support.node"
local process = require "support.process"
local rig = require "node.rig"
local socket = require "socket"
local tmp = require "support.tmp"
local under = require "loops.under"

local SLOW = os.getenv "SAN" or os.getenv "GROUPCACHED_WRAP"

-- nap() and fetch() are what a script under luv would have: start, yield, be resumed.
local HEAD = [[
local groupcache = require "groupcache"
local uv = require "luv"
local quick = groupcache.group("quick", { getter = function(key) return "q:" .. key end })

local function nap(ms)
  local co, timer = coroutine.running(), uv.new_timer()
  timer:start(ms, 0, function() timer:close() coroutine.resume(co, "rested") end)
  return coroutine.yield()
end

local function fetch(what)
  local co, conn, parts = coroutine.running(), uv.new_tcp(), {}
  local function done(err)
    if not conn:is_closing() then conn:close() end
    coroutine.resume(co, err)
  end
  conn:connect("127.0.0.1", tonumber(os.getenv "PORT"), function(err)
    if err then return done(err) end
    conn:write("GET /" .. what .. " HTTP/1.1\r\n\r\n")
    conn:read_start(function(failed, data)
      if data then parts[#parts + 1] = data else done(failed) end
    end)
  end)
  local err = coroutine.yield()
  if err then return nil, err end
  return table.concat(parts):match "\r\n\r\n(.*)$"
end
]]

describe("under luv a getter", function()
  local r, n

  local function start(body, opts)
    r, n = under.start("luv", HEAD, body, opts)
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

  it("uses a timer, tcp and fs", function()
    local server = fake.start [[return function(request, c)
      c:sleep(0.05)
      c:send("HTTP/1.1 200 OK\r\n\r\nyou asked for " .. request.target)
      c:close()
    end]]
    start([[
      if key == "timer" then return nap(50) end
      if key == "tcp" then return fetch "this" end
      local co = coroutine.running()
      local function async(fn, ...)
        local args = { ... }
        args[#args + 1] = function(err, result) coroutine.resume(co, result, err) end
        fn(unpack(args))
        return coroutine.yield()
      end
      local fd, err = async(uv.fs_open, rig.dir .. "/" .. key, "r", 0)
      if not fd then return nil, err end
      local stat = async(uv.fs_fstat, fd)
      local bytes = async(uv.fs_read, fd, stat.size, 0)
      async(uv.fs_close, fd)
      return bytes
    ]], { env = { PORT = server.port } })
    r:file("file", ("text\0"):rep(100000))
    assert.equal("rested", get("timer").body)
    assert.equal("you asked for /this", get("tcp").body)
    assert.equal(("text\0"):rep(100000), get("file").body)
    assert.matches("ENOENT", get("no file").body, 1, true)
    server:stop()
  end)

  it("waits for handles, naps, other groups and children at the same time", function()
    local server = fake.start [[return function(request, c)
      c:sleep(0.1)
      c:send("HTTP/1.1 200 OK\r\n\r\n" .. request.target:sub(2))
      c:close()
    end]]
    start([[
      local child = groupcache.spawn(function()
        groupcache.sleep(0.05)
        return fetch "kid1" .. quick:get "a"
      end)
      local values = groupcache.all {
        function() return fetch "kid2" end,
        function() groupcache.sleep(0.1) return "nap" end,
        function() return nap(100) .. quick:get "b" end,
      }
      return table.concat({ fetch "mine", child:wait(), values[1], values[2], values[3] }, " ")
    ]], { env = { PORT = server.port } })
    assert.equal("mine kid1q:a kid2 nap restedq:b", get("k").body)
    server:stop()
  end)

  it("a thousand at once wait for timers", function()
    start [[
      if key ~= "all" then return nap(200) .. key end
      local functions = {}
      for i = 1, 1000 do functions[i] = function() return nap(200) and i end end
      local sum, values = 0, groupcache.all(functions)
      for _, value in ipairs(values) do sum = sum + value end
      return tostring(sum)
    ]]
    local fns = {}
    for i = 1, 1000 do
      fns[i] = function() assert.equal("restedk" .. i, get("k" .. i).body) end
    end
    http.together(fns)
    local began = socket.gettime()
    assert.equal("500500", get("all").body)
    assert(SLOW or socket.gettime() - began < 20, "one after another")
  end)

  it("has a loop with the right time after a rest", function()
    start [[
      local began = groupcache.now()
      nap(100)
      return tostring(groupcache.now() - began >= 0.099)
    ]]
    assert.equal("true", get("first").body)
    socket.sleep(0.3) -- the worker has nothing to do, and its loop's clock stands still
    assert.equal("true", get("later").body)
  end)

  it("has a loop with the right time after others have computed", function()
    start [[
      if key:find "busy" then
        rig.record(key)
        local till = groupcache.now() + 0.3
        while groupcache.now() < till do end
        return "computed"
      end
      local began = groupcache.now()
      nap(100)
      return tostring(groupcache.now() - began >= 0.099)
    ]]
    local fns = {}
    for i = 1, 3 do
      fns[i] = function() get("busy" .. i) end
    end
    for i = 4, 6 do
      fns[i] = function() assert.equal("true", get("nap" .. i).body) end
    end
    http.together(fns)
  end)

  it("may be resumed by another, inside of that", function()
    start([[
      if key == "waiter" then
        waiting = coroutine.running()
        rig.record(key)
        local got = coroutine.yield()
        return got .. quick:get "w"
      end
      local ok = coroutine.resume(waiting, "from " .. key)
      local again, why = coroutine.resume(waiting)
      return tostring(ok) .. " " .. tostring(again) .. " " .. why .. " " .. quick:get "o"
    ]], { top = "local waiting\n" })
    local waiter, other
    http.together {
      function() waiter = get("waiter").body end,
      function()
        rig.wait(n, function() return r:calls().waiter end)
        other = get("other").body
      end,
    }
    assert.equal("from otherq:w", waiter)
    assert.equal("true false cannot resume a getter that is waiting q:o", other)
  end)

  it("that nobody resumes ends at its deadline, and is not there when somebody does", function()
    start([[
      local co = coroutine.running()
      local timer = uv.new_timer()
      timer:start(2000, 0, function()
        timer:close()
        local ok, err = coroutine.resume(co)
        rig.record(tostring(ok) .. " " .. err)
      end)
      pcall(coroutine.yield)
      rig.record "went on"
    ]], { timeout = 0.3 })
    local began = socket.gettime()
    assert.matches("^504 TIMEOUT group g: %C+ 0%.3 s$", table.concat(under.code_of(get "k"), " "))
    assert(SLOW or socket.gettime() - began < 1.9, "late")
    eventually(function() return r:total() > 0 end, 5, "the timer fires")
    assert.same({ ["false cannot resume dead coroutine"] = 1 }, r:calls())
    quick()
  end)

  it("that computes for ever in its callback's wake is stopped, the others are not", function()
    start([[
      nap(50)
      if key == "loop" then while true do pcall(function() while true do end end) end end
      nap(600)
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
    assert.equal(0, n:stats().workers.replaced)
  end)

  it("that throws after it was resumed fails with its line, and its resumer runs on", function()
    start [[
      local co, timer = coroutine.running(), uv.new_timer()
      timer:start(10, 0, function()
        timer:close()
        rig.record(tostring(coroutine.resume(co)))
      end)
      coroutine.yield()
      error("thrown " .. key)
    ]]
    local got = under.code_of(get "k")
    assert.same({ 502, "GETTER" }, { got[1], got[2] })
    assert.equal("thrown k", got[3])
    assert.is_truthy(n:logged "node.lua:%d+: thrown k")
    assert.is_truthy(n:logged 'msg="getter threw" group=g key="k" error="[^"]*traceback')
    eventually(function() return r:calls()["true"] end, 5, "its resumer goes on")
  end)

  it("cannot run or close the loop, and stopping it changes nothing", function()
    start [[
      if key == "run" then uv.run() end
      if key == "close" then uv.loop_close() end
      uv.stop()
      return nap(20)
    ]]
    assert.matches("uv.run is not for node scripts", under.code_of(get "run")[3], 1, true)
    assert.matches("uv.loop_close is not for node scripts", under.code_of(get "close")[3], 1, true)
    assert.equal("rested", get("stop").body)
    quick()
  end)

  it("that closes every handle breaks the other getters of its VM, and no more", function()
    start([[
      if key == "nap" then rig.record(key) return nap(60000) end
      uv.walk(function(handle) if not handle:is_closing() then handle:close() end end)
      return nap(10)
    ]], { timeout = 1 })
    local napping, closer
    http.together {
      function() napping = get "nap" end,
      function()
        rig.wait(n, function() return r:calls().nap end)
        closer = get "close"
      end,
    }
    assert.equal("TIMEOUT", under.code_of(napping)[2])
    assert.equal("rested", closer.body)
    quick()
  end)

  describe("may leave callbacks of its own in the loop,", function()
    local function leave(body)
      start("local timer = uv.new_timer() timer:start(10, 0, function() timer:close() " .. body
        .. " end) return 'left'")
      assert.equal("left", get("k").body)
    end

    it("which run on", function()
      leave "rig.record 'ran'"
      eventually(function() return r:calls().ran end, 5, "it runs")
    end)

    it("which may throw", function()
      leave "error 'thrown'"
      eventually(function()
        return n:logged 'msg="a callback of the event loop threw" error="[^"]*thrown'
      end, 5, "it is logged")
      quick()
    end)

    it("which may run out of memory", function()
      leave "local s = 'x' while true do s = s .. s end"
      eventually(function() return n:logged "not enough memory" end, 20, "it is logged")
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
    start("return tostring(fired)", { top = [[
      local fired = false
      local early = uv.new_timer()
      early:start(10, 0, function() early:close() fired = true end)
    ]] })
    local i = 0
    eventually(function()
      i = i + 1
      return get("k" .. i).body == "true"
    end, 5, "the timer fires")
  end)

  it("does not keep the node from stopping", function()
    start("rig.record(key) return nap(60000)", { timeout = 60,
      args = { "--drain-timeout", "0.2" } })
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

  it("does not keep it from stopping with what libuv's own threads wait for, either", function()
    start([[
      local co = coroutine.running()
      uv.fs_open(rig.dir .. "/pipe", "r", 0, function(err) coroutine.resume(co, err) end)
      rig.record(key)
      return tostring(coroutine.yield())
    ]], { timeout = 60, args = { "--drain-timeout", "0.1" } })
    assert.equal(0, process.run({ "mkfifo", r.dir .. "/pipe" }).code)
    http.together {
      function() n:get("g", "k", { timeout = 20 }) end,
      function()
        rig.wait(n, function() return r:total() == 1 end, 10, "it waits")
        n:signal "SIGTERM"
      end,
    }
    assert.equal(0, (n.process:wait(10)))
    assert.is_truthy(n:logged "left behind")
    n = nil
  end)
end)

describe("a script with a loop that is not installed", function()
  local function run(loop, ...)
    local path = tmp.file(([[
      package.preload[%q] = function() error("it is not here", 0) end
      package.loaded[%q] = nil
      require("groupcache").group("g", { getter = function() end })
      return { loop = %q, listen = "127.0.0.1:0" }
    ]]):format(loop, loop, loop), "node.lua")
    local argv = { node.binary, ..., timeout = 20, env = { GROUPCACHE_LOOP = false } }
    argv[#argv + 1] = path
    return process.run(argv)
  end

  for loop, package_name in pairs { cqueues = "lua-cqueues", luv = "lua-luv" } do
    for _, what in ipairs { "check", "start" } do
      it(("is told what to install: %s, %s"):format(loop, what), function()
        local out = run(loop, what == "check" and what or nil)
        assert.equal(1, out.code)
        assert.matches(('loop is "%s", and its module cannot be loaded'):format(loop), out.stderr,
          1, true)
        assert.matches(package_name .. " (Debian)", out.stderr, 1, true)
        assert.matches("it is not here", out.stderr, 1, true)
        assert.equal(1, select(2, out.stderr:gsub("\n", "")))
      end)
    end
  end
end)
