-- SPDX-License-Identifier: MIT

-- groupcache.every and groupcache.background: functions of the script that run beside its getters,
-- in the node's control worker. spec/unit/background_spec.lua has what takes a moved clock.

local cjson = require "cjson"
local eventually = require "support.eventually"
local fake = require "node.fake"
local lfs = require "lfs"
local node = require "support.node"
local process = require "support.process"
local program = require "api.program"
local rig = require "node.rig"
local tmp = require "support.tmp"

local SLOW = os.getenv "SAN" or os.getenv "GROUPCACHED_WRAP"
local WAIT = SLOW and 60 or 15

-- Of scripts: say() writes a line that said() reads.
local HEAD = [[
  local function say(...)
    local f = assert(io.open(rig.dir .. "/said", "a"))
    f:write(table.concat({ ... }, " "), "\n")
    f:close()
  end
  local groupcache = require "groupcache"
  local http = require "groupcache.http"
  groupcache.group("any", { getter = function(key) return key end })
]]

local ONE_LINE = HEAD:gsub("\n", " ")

local function said(r)
  local list = {}
  if lfs.attributes(r.dir .. "/said", "mode") then
    for line in tmp.read(r.dir .. "/said"):gmatch "([^\n]*)\n" do
      list[#list + 1] = line
    end
  end
  return list
end

describe("a background function", function()
  local r, n

  local function source(text)
    return r:script(ONE_LINE .. text)
  end

  local function start(text, opts)
    r = rig.new()
    local o = { args = { "--workers", "2" } }
    for name, value in pairs(opts or {}) do
      o[name] = value
    end
    o.script = source(text)
    n = node.start(o)
  end

  after_each(function()
    local ended = n
    n = nil
    rig.stop(ended)
  end)

  local function stats(name)
    return n:stats().control.background[name]
  end

  local function has_ended(name)
    local s = stats(name)
    return s.runs > 0 and not s.running
  end

  local function readiness()
    local res = assert(n:request { target = "/readyz" })
    return ("%d %s"):format(res.status, (res.body:gsub("%s+$", "")))
  end

  local function wait(fn, what)
    return eventually(fn, WAIT, what)
  end

  local function reload(text)
    tmp.write(n.script, source(text))
    rig.reload { n }
  end

  -- It may do all that a getter may, under every event loop.
  for _, loop in ipairs { "plain", "cqueues", "luv" } do
    it("may do what a getter may, with the loop " .. loop, function()
      local origin = fake.start [[return function(_, c)
        c:send "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
      end]]
      start(([[
        local g = groupcache.group("g", { getter = function(key) return "v:" .. key end })
        groupcache.background(function()
          local value, _, source = g:get "k"
          say("get", value, source)
          say("again", (select(3, g:get "k")))
          say("set", tostring(g:set("k", "mine")), g:peek "k")
          say("remove", tostring(g:remove "k"), tostring(g:peek "k"))
          say("many", g:get_many({ "a", "b" }).b)
          say("http", http.get("%s/x").body)
          local task = groupcache.spawn(function() groupcache.sleep(0.01) return "child" end)
          say("spawned", task:wait())
          say("all", groupcache.all({ function() return "one" end })[1])
        end, { name = "all of it" })
      ]]):format(origin.url), { args = { "--workers", "1", "--loop", loop } })
      wait(function() return has_ended "all of it" end, "it has ended")
      assert.same({ "get v:k local", "again main", "set true mine", "remove true nil", "many v:b",
        "http hello", "spawned child", "all one" }, said(r))
      assert.same({ repeats = false, runs = 1, errors = 0, running = false, running_ms = 0 },
        stats "all of it")
      origin:stop()
    end)
  end

  it("waits as other libraries do, under cqueues", function()
    start([[
      local cqueues = require "cqueues"
      groupcache.background(function() cqueues.sleep(0.01) say "slept" end, { name = "b" })
    ]], { args = { "--loop", "cqueues" } })
    wait(function() return has_ended "b" end, "it has ended")
    assert.same({ "slept" }, said(r))
  end)

  it("waits as other libraries do, under luv", function()
    start([[
      local uv = require "luv"
      groupcache.background(function()
        local co, timer = coroutine.running(), uv.new_timer()
        timer:start(10, 0, function() timer:close() coroutine.resume(co, "rung") end)
        say(coroutine.yield())
      end, { name = "b" })
    ]], { args = { "--loop", "luv" } })
    wait(function() return has_ended "b" end, "it has ended")
    assert.same({ "rung" }, said(r))
  end)

  it("is called once per node, and once it has returned no more", function()
    start [[
      groupcache.background(function() say "called" return nil, "no error" end, { name = "b" })
      groupcache.every(0.001, function() end, { name = "tick" })
    ]]
    wait(function() return stats("tick").runs > 20 end)
    assert.same({ "called" }, said(r))
    assert.same({ 1, 0 }, { stats("b").runs, stats("b").errors })
    assert.is_nil(stats("b").last_error)
  end)

  it("holds up no getter, and no getter holds it up", function()
    start([[
      groupcache.group("g", { timeout = 30, getter = function(key)
        if key == "held" then rig.gate "getter" end
        return key
      end })
      groupcache.background(function()
        os.execute("until [ -e " .. rig.dir .. "/open-c ]; do sleep 0.02; done")
        say "done"
      end, { name = "b" })
    ]], { args = { "--workers", "1" } })
    assert.equal("k", assert(n:get("g", "k", { timeout = WAIT })).body)
    assert.is_true(stats("b").running)
    r:open "c"
    wait(function() return has_ended "b" end, "it has ended")
    assert.same({ "done" }, said(r))
  end)

  describe("that fails", function()
    it("reports an error object by its own text", function()
      start [[
        groupcache.background(function()
          error(setmetatable({}, { __tostring = function() return "an object" end }))
        end, { name = "object" })
        groupcache.background(function() error {} end, { name = "table" })
      ]]
      wait(function() return stats("object").errors == 1 and stats("table").errors == 1 end)
      assert.equal("an object", stats("object").last_error)
      assert.equal("the function threw a table", stats("table").last_error)
    end)

    it("is called again after a pause", function()
      start [[
        local runs = 0
        groupcache.background(function()
          say(groupcache.now())
          runs = runs + 1
          if runs == 1 then error("the first", 0) end
          rig.gate "never"
        end, { name = "b" })
      ]]
      wait(function() return #said(r) == 2 end, "two calls")
      local pause = said(r)[2] - said(r)[1]
      assert(pause >= 0.99 and (SLOW or pause < 2), pause)
      assert.same({ 2, 1, "the first", true },
        { stats("b").runs, stats("b").errors, stats("b").last_error, stats("b").running })
      assert.is_truthy(n:logged 'msg="a background function threw" name="b" error="the first')
    end)

    it("since it computes for more than 5 s at a stretch lets the others go on", function()
      start [[
        groupcache.background(function()
          groupcache.sleep(0.001)
          say "loops"
          while true do pcall(function() while true do end end) end
        end, { name = "b" })
        groupcache.background(function() groupcache.sleep(0.01) say "other" end)
      ]]
      wait(function() return stats("b").errors == 1 end, "it is stopped")
      assert.equal("the function computed for more than 5 s at a stretch", stats("b").last_error)
      wait(function() return said(r)[2] == "other" end, "the other goes on")
      assert.is_false(n:stats().control.stuck)
    end)
  end)

  describe("of groupcache.every", function()
    it("is called again and again, never twice at a time, whatever it throws", function()
      start [[
        local under_way, runs = 0, 0
        groupcache.every(0.002, function()
          under_way = under_way + 1
          runs = runs + 1
          say(under_way)
          if runs % 2 == 0 then groupcache.sleep(0.01) end
          under_way = under_way - 1
          if runs % 3 == 0 then error "the third" end
        end)
      ]]
      local name = n.script:match "[^/]*$"
      local function of_place()
        for place, s in pairs(n:stats().control.background) do
          if place:find(name .. ":2", 1, true) then
            return s
          end
        end
      end
      wait(function() return of_place().runs >= 12 end)
      local s = of_place()
      assert.is_true(s.repeats)
      assert.is_true(s.errors >= 3)
      assert.matches(":8: the third", s.last_error, 1, true)
      for _, how_many in ipairs(said(r)) do
        assert.equal("1", how_many)
      end
    end)
  end)

  describe("that the node waits for", function()
    it("warms a thousand keys before /readyz says 200", function()
      start([[
        local g = groupcache.group("g", { timeout = 60, max_loads = 1000, getter = function(key)
          if key == "1000" then rig.gate "warm" end
          rig.record(key)
          return "v:" .. key
        end })
        groupcache.background(function()
          local keys = {}
          for i = 1, 1000 do keys[i] = tostring(i) end
          local values, errors = g:get_many(keys)
          assert(not next(errors) and values["1000"] == "v:1000")
        end, { name = "warm-up", ready = true })
      ]], { ready = false })
      wait(function() return n:logged 'msg="listening"' end)
      wait(function() return r:total() == 999 end, "all but the last")
      assert.equal("503 starting", readiness())
      assert.is_nil(n:logged 'msg="ready"')
      assert.equal(200, assert(n:request { target = "/healthz" }).status)
      assert.equal("v:7", assert(n:get("g", "7")).body)
      r:open "warm"
      wait(function() return readiness() == "200 ready" end, "it is ready")
      assert.equal(1000, r:total())
      assert.equal(1000, n:stats().groups.g.main.items)
      assert.is_truthy(n:logged 'msg="ready" groups=2 ')
    end)

    it("is waited for no longer once it has failed", function()
      start [[
        groupcache.background(function() error "no origin" end, { name = "b", ready = true })
      ]]
      assert.equal("200 ready", readiness())
      wait(function() return stats("b").errors == 1 end)
    end)

    it("is waited for no longer than its ready_timeout", function()
      start([[
        groupcache.background(function() rig.gate "never" end,
          { name = "slow", ready = true, ready_timeout = 2 })
        groupcache.background(function() say "quick" end, { ready = true })
      ]], { ready = false })
      wait(function() return #said(r) == 1 end)
      assert(SLOW or readiness() == "503 starting")
      wait(function() return readiness() == "200 ready" end, "it is ready")
      assert.is_truthy(n:logged(
        'level=warn mod=script msg="the node stops waiting for a background function" '
          .. "name=slow ms=2000"))
      assert.is_true(stats("slow").running)
    end)

    it("is not waited for after a reload", function()
      start 'groupcache.background(function() end, { ready = true })'
      reload 'groupcache.background(function() rig.gate "never" end, { name = "b", ready = true })'
      wait(function() return stats "b" and stats("b").running end)
      assert.equal("200 ready", readiness())
    end)

    it("may be replaced by a script that waits for nothing", function()
      start('groupcache.background(function() rig.gate "never" end, { ready = true })',
        { ready = false })
      wait(function() return n:logged 'msg="listening"' end)
      reload "-- nothing"
      wait(function() return readiness() == "200 ready" end)
    end)
  end)

  describe("when the node ends", function()
    for name, body in pairs {
      ["that loops"] = "say 'begun' while true do pcall(function() while true do end end) end",
      ["that waits"] = "say 'begun' rig.gate 'never'",
      ["that waits for a getter"] = "say 'begun' hangs:get 'k'",
      ["that computes in children"] = "groupcache.all { function() say 'begun' "
        .. "groupcache.sleep(0) while true do end end }",
    } do
      it(name .. " keeps neither a reload waiting nor the end", function()
        local script = ([[
          local hangs = groupcache.group("hangs", { timeout = 60, getter = function()
            rig.gate "never"
          end })
          groupcache.background(function() %s end, { name = "b" })
        ]]):format(body)
        start(script)
        wait(function() return #said(r) == 1 end)
        reload(script)
        wait(function() return #said(r) == 2 end, "the new one runs")
        local ended = n
        n = nil
        assert.equal(0, (ended:stop(WAIT)))
        assert.is_nil(ended:logged "level=error")
        assert.is_nil(ended:logged "left behind")
      end)
    end

    it("goes on while requests are under way", function()
      start [[
        groupcache.group("g", { getter = function() rig.gate "getter" return "v" end })
        groupcache.every(0.005, function() say "tick" end)
      ]]
      local ended = n
      local parked = {}
      require("support.http").together {
        function() parked.res = ended:get("g", "k", { timeout = WAIT }) end,
        function()
          rig.wait(ended, function() return ended:stats().groups.g.flights == 1 end)
          ended:signal "SIGTERM"
          rig.wait(ended, function() return ended:logged 'msg="stopping"' end)
          local before = #said(r)
          rig.wait(ended, function() return #said(r) > before + 5 end)
          r:open "getter"
        end,
      }
      n = nil
      assert.equal("v", parked.res.body)
      assert.equal(0, (ended.process:wait(WAIT)))
    end)
  end)

  describe("at a reload", function()
    it("has ended before one of the new script begins", function()
      start [[
        for i = 1, 3 do
          groupcache.background(function()
            while true do say "old" groupcache.sleep(0.001) end
          end)
        end
        groupcache.background(function() while true do groupcache.sleep(0) end end)
      ]]
      wait(function() return #said(r) > 20 end)
      reload 'groupcache.every(0.001, function() say "new" end, { name = "new" })'
      wait(function() return stats("new").runs > 20 end)
      local lines = table.concat(said(r), " ")
      assert.matches("^old [old ]*new [new ]*new$", lines)
    end)

    it("goes on when the new script is refused", function()
      start 'groupcache.every(0.001, function() say "old" end, { name = "old" })'
      tmp.write(n.script, "error 'no'")
      n:signal "SIGHUP"
      wait(function() return n:logged 'msg="not reloaded' end)
      local before = stats("old").runs
      wait(function() return stats("old").runs > before end)
    end)

    it("has the event loop that the node was started with", function()
      if (node.loop or "plain") ~= "plain" then
        return -- that goes before the script
      end
      start "-- nothing"
      reload [[
        groupcache.background(function()
          groupcache.sleep(0.001)
          say(package.loaded.cqueues and "cqueues" or "plain")
        end, { name = "b" })
        return { loop = "cqueues" }
      ]]
      wait(function() return has_ended "b" end)
      assert.same({ "plain" }, said(r))
      assert.is_truthy(n:logged "a changed setting takes a restart[^\n]*loop")
    end)

    local function entries(kind)
      local count = 0
      for name in lfs.dir(("/proc/%d/%s"):format(n.process.pid, kind)) do
        count = count + (name:find "^%d" and 1 or 0)
      end
      return count
    end

    local function rss()
      return tonumber(tmp.read(("/proc/%d/status"):format(n.process.pid)):match "VmRSS:%s*(%d+)")
    end

    it("leaves nothing behind, fifty times", function()
      local function version(i)
        return ([[
          local g = groupcache.group("g", { cache_bytes = 65536,
            getter = function(key) return "v%d:" .. key end })
          groupcache.every(0.001, function() g:get(tostring(groupcache.now())) end)
          groupcache.background(function() while true do end end)
          groupcache.background(function() rig.gate "never" end)
          groupcache.background(function() error "it fails" end, { name = "v%d" })
        ]]):format(i, i)
      end
      start(version(0), { args = { "--workers", "1", "--log-level", "info" } })
      local early, threads, descriptors
      for i = 1, 50 do
        reload(version(i))
        assert.is_truthy(stats("v" .. i))
        if i == 15 then
          wait(function() return n:stats().workers.retiring == 0 end)
          early, threads, descriptors = rss(), entries "task", entries "fd"
        end
      end
      wait(function() return n:stats().workers.retiring == 0 end, "the old VMs are gone")
      wait(function() return entries "task" <= threads end, "no more threads than before")
      wait(function() return entries "fd" <= descriptors end, "no more descriptors than before")
      local grown = rss() - early
      assert(SLOW or grown < 6 * 1024, grown .. " kB more")
    end)

    it("that is stuck in C is noticed, and left to itself", function()
      start [[
        groupcache.background(function()
          say "in C"
          os.execute("until [ -e " .. rig.dir .. "/open-c ]; do sleep 0.02; done")
          groupcache.sleep(0)
          say "came out"
        end, { name = "b" })
      ]]
      wait(function() return #said(r) == 1 end)
      local threads = entries "task"
      assert.is_false(n:stats().control.stuck)
      wait(function() return n:stats().control.stuck end, "it is noticed")
      local log = "level=error mod=node msg=\"a background function is stuck in a C function\""
      assert.is_truthy(n:logged(log))
      reload 'groupcache.every(0.001, function() end, { name = "new" })'
      wait(function() return stats("new").runs > 5 end, "the new ones run")
      assert.is_false(n:stats().control.stuck)
      assert.is_true(entries "task" > threads)
      r:open "c"
      wait(function() return entries "task" <= threads end, "its thread has ended")
      assert.same({ "in C" }, said(r))
    end)
  end)

  describe("is refused", function()
    local function refusal(text)
      local path = tmp.file("local groupcache = require 'groupcache'\n"
        .. "groupcache.group('g', { getter = function() end })\n" .. text, "node.lua")
      local out = process.run { node.binary, "check", path }
      assert.equal(1, out.code, out.stdout)
      return out.stderr
    end

    for text, message in pairs {
      ["groupcache.every()"] = "groupcache.every: seconds are missing",
      ["groupcache.every('x', print)"] = 'groupcache.every: seconds is "x", and must be a number',
      ["groupcache.every(0, print)"] = "groupcache.every: seconds is 0, and must be a number of "
        .. "seconds above 0",
      ["groupcache.every(1)"] = "groupcache.every: a nil, and must be a function",
      ["groupcache.every(1, print, 2)"] = "groupcache.every: the options are a number",
      ["groupcache.every(1, print, { ready = true })"] = "groupcache.every: unknown option",
      ["groupcache.background('x')"] = "groupcache.background: a string, and must be a function",
      ["groupcache.background(print, { name = '' })"] = 'groupcache.background: name is ""',
      ["groupcache.background(print, { name = ('x'):rep(256) })"] =
        "groupcache.background: the name has more than 255 bytes",
      ["groupcache.background(print, { ready_timeout = 0 })"] =
        "groupcache.background: ready_timeout is 0",
      ["groupcache.background(print, { name = 'a' }) groupcache.every(1, print, { name = 'a' })"] =
        'background function "a" is already defined at ',
    } do
      it("with " .. text, function()
        local err = refusal(text)
        assert.matches("node.lua:3: " .. message, err, 1, true)
      end)
    end

    it("in a getter, at the getter's line", function()
      start [[groupcache.group("g", { getter = function(key)
        local ok, err = pcall(function()
          groupcache[key](key == "every" and 1 or print, print)
        end)
        return tostring(ok) .. " " .. err
      end })]]
      assert.matches("false .*:3: groupcache.every: to be called while the script runs, not later",
        assert(n:get("g", "every")).body)
    end)

    it("in a background function", function()
      start [[
        groupcache.background(function() groupcache.background(print) end, { name = "b" })
      ]]
      wait(function() return stats("b").errors == 1 end)
      assert.matches(":1: groupcache.background: to be called while the script runs, not later",
        stats("b").last_error)
    end)

    it("in a program", function()
      program.says([[
prog.lua:1: groupcache.every is for node scripts
prog.lua:1: groupcache.background is for node scripts
]], [[
        for _, fn in ipairs { function() groupcache.every(1, print) end,
          function() groupcache.background(print) end } do
          local _, err = pcall(fn)
          say((err:gsub("^.*/", ""):gsub(":%d+:", ":1:")))
        end
      ]])
    end)
  end)

  it("has a number when another is defined at its place", function()
    start [[
      local function define() groupcache.every(60, function() end) end
      for _ = 1, 3 do define() end
    ]]
    local names = {}
    for name in pairs(n:stats().control.background) do
      names[#names + 1] = name:match "[^:]*$"
    end
    table.sort(names)
    assert.same({ "1", "1#2", "1#3" }, names)
  end)

  it("keeps no VM of a worker from coming to the same groups", function()
    start [[
      for i = 1, math.random(5) do groupcache.every(60, function() end) end
    ]]
    assert.equal("200 ready", readiness())
  end)

  it("runs for a node in a program, too", function()
    r = rig.new()
    local script = r:file("node.lua", source [[
      local g = groupcache.group("g", { getter = function(key) return "v:" .. key end })
      local done = false
      groupcache.background(function() say(g:get "k") done = true end, { name = "b", ready = true })
      groupcache.background(function()
        while not done do groupcache.sleep(0.001) end
        while true do end
      end, { name = "loops" })
    ]])
    program.says("1|0\nv:k||main\nclosed\n", ([[
      local node = assert(groupcache.start { script = %q, listen = "127.0.0.1:0", workers = 1 })
      local b
      until_true(function()
        b = node:stats().control.background.b
        return b.runs > 0 and not b.running
      end)
      say(b.runs, b.errors)
      until_true(function() return node:stats().control.background.loops.running end)
      local value, _, source = node:group("g"):get "k"
      say(value, "", source)
      node:close()
      say "closed"
    ]]):format(script), { logs = true })
  end)

  it("is listed in /stats as JSON, whatever its name", function()
    start [[groupcache.every(60, function() end, { name = 'a "b" \\' })]]
    assert.is_truthy(cjson.decode(assert(n:request { target = "/stats" }).body)
      .control.background['a "b" \\'])
  end)
end)

-- Changes that a background function makes reach all nodes.
describe("background functions of three nodes", function()
  it("each remove keys from all", function()
    local r = rig.new()
    local nodes = node.cluster(3, { args = { "--workers", "1" }, script = r:script [[
      local groupcache = require "groupcache"
      local g = groupcache.group("g", { getter = function(key)
        rig.record(key)
        return "v:" .. key
      end })
      groupcache.background(function()
        rig.gate "change"
        assert(g:remove "a")
        assert(g:set("b", "set by one"))
      end, { name = "b" })
    ]] })
    for _, n in ipairs(nodes) do
      assert.equal("v:a", assert(n:get("g", "a")).body)
      assert.equal("v:b", assert(n:get("g", "b")).body)
    end
    local before = r:total()
    r:open "change"
    for _, n in ipairs(nodes) do
      eventually(function()
        local b = n:stats().control.background.b
        return not b.running and b.errors == 0
      end, WAIT, "it has made its changes")
    end
    for _, n in ipairs(nodes) do
      assert.equal("v:a", assert(n:get("g", "a")).body)
      assert.equal("set by one", assert(n:get("g", "b")).body)
    end
    assert.equal(before + 1, r:total())
    rig.stop_all(nodes)
  end)
end)
