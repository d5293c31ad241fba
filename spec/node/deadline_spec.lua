-- SPDX-License-Identifier: MIT

-- Deadlines and bounds of getters: whatever a getter does, its callers are told in time, and its VM
-- serves the next. Nodes have one VM here.

local cjson = require "cjson"
local eventually = require "support.eventually"
local fake = require "node.fake"
local http = require "support.http"
local node = require "support.node"
local process = require "support.process"
local rig = require "node.rig"
local socket = require "socket"
local sorted = require "groupcache.sorted"
local tmp = require "support.tmp"

local TIMEOUT = 0.3
local LATE = 5 -- after the deadline, at most: what is stuck is replaced after 1

-- $BODY is the getter's; the script's group "quick" is the healthy one.
local SCRIPT = [[
  local groupcache = require "groupcache"
  local http = require "groupcache.http"
  local function forever() while true do end end
  local function never() return false end
  groupcache.group("g", {
    timeout = %g,
    getter = function(key)
      %s
    end,
  })
  groupcache.group("quick", { timeout = 30, getter = function(key) return "q:" .. key end })
]]

describe("at its deadline", function()
  local r, n

  local function start(body, opts)
    opts = opts or {}
    r = rig.new()
    local args = { "--workers", "1" }
    for _, arg in ipairs(opts.args or {}) do
      args[#args + 1] = arg
    end
    n = node.start { args = args, env = opts.env,
      script = r:script(SCRIPT:format(opts.timeout or TIMEOUT, body)) }
    return n
  end

  after_each(function()
    if n and n.process:alive() then
      n:kill9()
    end
    n = nil
  end)

  -- Asks for a key that will not come.
  local function ask_in_vain(key, timeout)
    local began = socket.gettime()
    local res = assert(n:get("g", key or "k", { timeout = 10 }))
    local took = socket.gettime() - began
    assert.same({ 504, "TIMEOUT" }, { res.status, cjson.decode(res.body).code }, res.body)
    timeout = timeout or TIMEOUT
    assert(took >= timeout - 0.01, ("%.3f s: too early"):format(took))
    assert(took <= timeout + LATE, ("%.3f s: too late"):format(took))
  end

  local function ask_quick(key)
    local res = assert(n:get("quick", key, { timeout = 30 }))
    assert.same({ 200, "q:" .. key }, { res.status, res.body })
  end

  local function end_node()
    assert.equal(n.process.pid, n:stats().pid)
    assert.equal(0, (n:stop()))
  end

  -- Name, body of the getter.
  local ROWS = {
    { "a nap that is too long", "groupcache.sleep(1000) return 'rested'" },
    { "nap after nap", "while true do groupcache.sleep(0.001) end" },
    { "a plain loop", "while true do end" },
    { "a loop in repeat and for", "repeat for i = 1, 1e18 do local _ = i end until false" },
    { "pcall of a loop, again and again", "while true do pcall(forever) end" },
    { "pcall of errors, again and again", "while true do pcall(error, 'x') end" },
    { "xpcall of a loop", "while true do xpcall(forever, tostring) end" },
    { "xpcall whose handler loops", "xpcall(error, forever) return 'came back'" },
    { "xpcall with both looping", "while true do xpcall(forever, forever) end" },
    { "a loop in a coroutine", "coroutine.wrap(forever)() return 'came back'" },
    { "a coroutine resumed in a loop",
      "local co = coroutine.create(forever) while true do coroutine.resume(co) end" },
    { "pcall of wrap of a loop", "while true do pcall(coroutine.wrap(forever)) end" },
    { "coroutines in coroutines", [[
      while true do
        pcall(coroutine.wrap(function()
          while true do pcall(coroutine.wrap(forever)) end
        end))
      end]] },
    { "new coroutines that yield",
      "while true do coroutine.wrap(function() coroutine.yield(1) end)() end" },
    { "table.sort with a looping order", "table.sort({ 3, 2, 1 }, forever) return 'sorted'" },
    { "pcall of table.sort with a looping order",
      "while true do pcall(table.sort, { 3, 2, 1 }, forever) end" },
    { "xpcall of table.sort whose handler loops",
      "while true do xpcall(table.sort, forever, { 3, 2, 1 }, forever) end" },
    { "table.sort around an xpcall that loops",
      "table.sort({ 3, 2, 1 }, function() while true do xpcall(forever, forever) end end)" },
    { "pcall of table.sort around an xpcall that loops", [[
      while true do
        pcall(table.sort, { 3, 2, 1 }, function() while true do xpcall(forever, forever) end end)
      end]] },
    { "wrap inside wrap without end", [[
      local function deeper() return coroutine.wrap(deeper)() end
      while true do pcall(deeper) end]] },
    { "create and resume without end", [[
      local function deeper() return coroutine.resume(coroutine.create(deeper)) end
      while true do deeper() end]] },
    { "coroutines without end, each in a table.sort", [[
      local function deeper()
        table.sort({ 1, 2 }, function() return coroutine.wrap(deeper)() end)
      end
      while true do pcall(deeper) end]] },
    { "__index", "return setmetatable({}, { __index = forever }).x" },
    { "__newindex", "setmetatable({}, { __newindex = forever }).x = 1" },
    { "__call", "return setmetatable({}, { __call = forever })()" },
    { "__eq", [[
      local mt = { __eq = forever }
      return tostring(setmetatable({}, mt) == setmetatable({}, mt))]] },
    { "__lt in table.sort", [[
      local mt = { __lt = forever }
      table.sort { setmetatable({}, mt), setmetatable({}, mt) }]] },
    { "__concat", "return 'a' .. setmetatable({}, { __concat = forever })" },
    { "__unm under pcall",
      "while true do pcall(function() return -setmetatable({}, { __unm = forever }) end) end" },
    { "__tostring", "return tostring(setmetatable({}, { __tostring = forever }))" },
    { "__tostring inside string.format under pcall", [[
      local t = setmetatable({}, { __tostring = forever })
      while true do pcall(string.format, '%s', t) end]] },
    { "__tostring that asks itself",
      "local t t = setmetatable({}, { __tostring = function() return tostring(t) end }) "
        .. "return tostring(t)" },
    { "an iterator that loops", "for _ in forever do break end" },
    { "an iterator that never ends", "for _ in function() return 1 end do never() end" },
    { "a callback of string.gsub", "return (('abc'):gsub('b', forever))" },
    { "a callback of string.gsub under pcall",
      "while true do pcall(string.gsub, 'abc', 'b', forever) end" },
    { "table.foreach", "table.foreach({ 1 }, forever)" },
    { "load with a looping reader", "while true do pcall(load, forever) end" },
    { "a chunk that loops", "loadstring('while true do end')()" },
    { "a module that loops", "package.preload.looping = forever require 'looping'" },
    { "an error whose value loops",
      "error(setmetatable({}, { __tostring = forever, __index = forever }).x)" },
    { "calls without end, caught", [[
      local function deeper() return 1 + deeper() end
      while true do pcall(deeper) end]] },
    { "garbage", "while true do local _ = { {}, tostring({}) } end" },
    { "short C calls", "local s = ('x'):rep(1e5) while true do s:find('y', 1, true) end" },
    { "catching its own end", [[
      local function again() while true do pcall(forever) groupcache.sleep(0.01) end end
      while true do pcall(again) end]] },
  }

  for _, row in ipairs(ROWS) do
    it(row[1] .. " is stopped, and the VM serves the next", function()
      start(row[2])
      ask_in_vain()
      local began = socket.gettime()
      ask_quick "next"
      assert(socket.gettime() - began < 0.1 + LATE, "the VM was still busy")
      local workers = n:stats().workers
      assert.same({ 0, 0 }, { workers.stuck, workers.replaced })
      end_node()
    end)
  end

  it("a wait for a server that never answers is given up", function()
    local origin = fake.start "return function(_, c) c:sleep(1000) end"
    start(("return http.get('%s/' .. key).body"):format(origin.url))
    ask_in_vain()
    ask_quick "next"
    assert.same({ "GET /k" }, origin:requests())
    end_node()
    origin:stop()
  end)

  it("a wait for a server that answers a byte at a time is given up", function()
    local origin = fake.start [[return function(_, c)
      c:send "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
      while true do c:send "x" c:sleep(0.02) end
    end]]
    start(("return http.get('%s/').body"):format(origin.url))
    ask_in_vain()
    ask_quick "next"
    end_node()
    origin:stop()
  end)

  it("each of forty loops in one VM is stopped, and forty naps beside them", function()
    start("if key:find 'nap' then groupcache.sleep(1000) end while true do pcall(forever) end")
    local fns = {}
    for i = 1, 80 do
      fns[i] = function()
        local res = assert(n:get("g", (i % 2 == 0 and "nap" or "loop") .. i, { timeout = 10 }))
        assert.equal(504, res.status)
      end
    end
    local began = socket.gettime()
    http.together(fns)
    assert(socket.gettime() - began < TIMEOUT + LATE, "late")
    ask_quick "next"
    end_node()
  end)

  it("a loop frees its VM for the getters that arrived meanwhile", function()
    start "rig.record(key) while true do pcall(forever) end"
    http.together {
      function() ask_in_vain() end,
      function()
        rig.wait(n, function() return r:calls().k end, 5, "the loop began")
        ask_quick "meanwhile"
      end,
    }
    end_node()
  end)

  it("a loop does not take the others' results with it", function()
    start [[
      if key == "loop" then while true do end end
      groupcache.sleep(0.05)
      return "rested"
    ]]
    local loop, nap
    http.together {
      function() nap = assert(n:get("g", "nap")) end,
      function() loop = assert(n:get("g", "loop")) end,
    }
    assert.equal(504, loop.status)
    assert.is_true(nap.status == 200 or nap.status == 504) -- both had the same deadline
    assert.equal("rested", assert(n:get("g", "later")).body)
    end_node()
  end)

  describe("recursion without end", function()
    local DEEP = {
      calls = "local function f() return 1 + f() end f()",
      ["string.gsub"] = "local function f() return (('a'):gsub('a', f)) end f()",
      ["string.gsub as a function"] = "local function f() string.gsub('a', '.', f) end f()",
      ["table.sort"] = "local function f() table.sort({ 3, 2, 1 }, f) end f()",
      ["table.foreach"] = "local function f() table.foreach({ 1 }, f) end f()",
      ["string.format"] = [[
        local t = setmetatable({}, { __tostring = function(t) return ("%%s"):format(t) end })
        tostring(t)]],
      ["__index"] = [[
        local t = setmetatable({}, { __index = function(t, k) return t[k .. 'x'] end })
        return t.x]],
      load = "local function f() return load(f) end return f()",
      require = [[
        table.insert(package.loaders, 1, function(name) require(name .. 'a') end)
        require 'a']],
    }
    for _, name in ipairs(sorted(DEEP)) do
      it(("(%s) is an error, and the node lives on"):format(name), function()
        start((DEEP[name]:gsub("%%%%", "%%")), { timeout = 20 })
        for i = 1, 3 do
          local res = assert(n:get("g", "k" .. i, { timeout = 30 }))
          assert.same({ 502, "GETTER" }, { res.status, cjson.decode(res.body).code }, res.body)
        end
        ask_quick "next"
        end_node()
      end)
    end
  end)

  -- Late code gets a signal, which ends most waits in C; not under ThreadSanitizer.
  local it_signals = os.getenv "SAN" == "thread" and pending or it

  it_signals("a wait in C that a signal ends gives its VM back", function()
    start [[
      local ffi = require "ffi"
      pcall(ffi.cdef, "unsigned sleep(unsigned seconds);")
      ffi.C.sleep(60)
      return "came out"
    ]]
    ask_in_vain()
    ask_quick "after"
    assert.same({ 0, 0 }, { n:stats().workers.stuck, n:stats().workers.replaced })
    end_node()
  end)

  it_signals("that signal, sent from elsewhere, changes nothing", function()
    start "return 'there'"
    for i = 1, 20 do
      n:signal "SIGVTALRM"
      assert.equal("there", assert(n:get("g", "k" .. i)).body)
    end
    end_node()
  end)

  describe("a C function that does not return", function()
    -- Waits, in one call of C, until the spec opens the gate.
    local BLOCK = [[
      if key:find "^fine" then return "fine" end
      rig.record(key)
      os.execute("until [ -e " .. rig.dir .. "/open-" .. key .. " ]; do sleep 0.02; done")
      return "came out"
    ]]

    local function lines(pattern)
      return select(2, n:log():gsub(pattern, ""))
    end

    local function workers()
      return n:stats().workers
    end

    local function release(...)
      for _, key in ipairs { ... } do
        r:open(key)
      end
      eventually(function() return workers().stuck == 0 end, 10, "the stuck threads come out")
    end

    it("leaves its VM to itself: another takes its place and what waited", function()
      start(BLOCK)
      local quick = {}
      local fns = { function() ask_in_vain "stuck" end }
      for i = 1, 5 do
        fns[i + 1] = function()
          rig.wait(n, function() return r:calls().stuck end)
          quick[i] = assert(n:get("quick", "k" .. i, { timeout = 20 })).body
        end
      end
      http.together(fns)
      assert.same({ "q:k1", "q:k2", "q:k3", "q:k4", "q:k5" }, quick)
      local w = workers()
      assert.same({ 1, 1, 1, 0 }, { w.vms, w.stuck, w.replaced, w.loads })
      ask_quick "after"
      assert.equal("fine", assert(n:get("g", "fine")).body)
      assert.equal(1, lines "stuck in a C function: its VM is abandoned and replaced")
      assert.is_truthy(n:logged "level=error mod=node [^\n]*abandoned[^\n]* vm=lua%-1 by=lua%-2")

      release "stuck"
      ask_quick "at last"
      assert.equal(1, lines "level=error")
      assert.equal(0, n:stats().groups.g.flights)
      end_node()
    end)

    it("delays another node's request no longer", function()
      start(BLOCK)
      local res
      http.together {
        function() ask_in_vain "stuck" end,
        function()
          rig.wait(n, function() return r:calls().stuck end)
          res = assert(n:request { target = "/_groupcache/quick/k", timeout = 20 })
        end,
      }
      assert.equal(200, res.status)
      release "stuck"
      end_node()
    end)

    it("is replaced no more when as many are stuck as there are workers", function()
      start(BLOCK)
      ask_in_vain "one"
      eventually(function() return workers().replaced == 1 end, 10, "the first is replaced")
      ask_in_vain "two" -- in the last VM there is
      ask_in_vain "three" -- in nobody's
      assert.same({ 1, 1 }, { workers().stuck, workers().replaced })
      eventually(function()
        local ready = n:request { target = "/readyz" }
        return ready.status == 503 and ready.body == "stuck: all workers are in C functions\n"
      end, 10, "not ready")
      assert.is_truthy(n:logged "all workers are stuck in C functions, and none can be replaced")
      r:open "two"
      eventually(function() return n:get("g", "fine").status == 200 end, 10, "the VM is back")
      eventually(function() return n:request({ target = "/readyz" }).status == 200 end, 10, "ready")
      assert.equal(1, workers().stuck)
      release "one"
      ask_in_vain "four"
      eventually(function() return workers().replaced == 2 end, 10, "there is room again")
      ask_quick "after"
      assert.equal(2, lines "abandoned and replaced")
      release "four"
      end_node()
    end)

    it("ends the process when all workers have been stuck for stuck_timeout", function()
      start(BLOCK, { args = { "--stuck-timeout", "0.2" } })
      ask_in_vain "one"
      eventually(function() return workers().replaced == 1 end, 10, "the first is replaced")
      pcall(ask_in_vain, "two") -- in the last VM; the node may stop before the answer
      local code = n.process:wait(20)
      assert.equal(3, code)
      assert.is_truthy(n:logged "msg=\"ending, since all workers are still stuck")
      r:open "one"
      r:open "two"
    end)

    it("leaves the other getters of its VM to their own deadlines", function()
      start([[if key == "nap" then
        rig.record(key)
        groupcache.sleep(0.1)
        return "rested"
      end]] .. BLOCK)
      local nap
      http.together {
        function() nap = assert(n:get("g", "nap")) end,
        function()
          rig.wait(n, function() return r:calls().nap end)
          ask_in_vain "stuck"
        end,
      }
      assert.equal(504, nap.status)
      eventually(function() return workers().replaced == 1 end, 10, "it is replaced")
      assert.equal("rested", assert(n:get("g", "nap")).body)
      release "stuck"
      end_node()
    end)

    it("does not keep the node from stopping", function()
      local tsan = os.getenv "TSAN_OPTIONS" or ""
      start(BLOCK, { env = { TSAN_OPTIONS = tsan .. " report_thread_leaks=0" } }) -- it leaks one
      ask_in_vain "stuck"
      eventually(function() return workers().stuck == 1 end, 10, "it is abandoned")
      local began = socket.gettime()
      assert.equal(0, (n:stop()))
      assert(socket.gettime() - began < 8, "it was waited for")
      assert.is_truthy(n:logged "left behind[^\n]* vm=lua%-1")
      r:open "stuck"
    end)

    local NO_END = {
      { "a pattern that backtracks",
        "return tostring((('a'):rep(250):find(('.-'):rep(4) .. 'b')))" },
      { "a finalizer that loops", [[
        local p = newproxy(true)
        getmetatable(p).__gc = forever
        p = nil
        collectgarbage()]] },
      { "a loop in compiled code", "local x = 0 while true do x = x + 1 end", jit = "yes" },
    }

    for _, row in ipairs(NO_END) do
      it("is answered so when it is " .. row[1], function()
        start(row[2], { args = { "--jit", row.jit or "no" } })
        ask_in_vain()
        ask_quick "next"
        eventually(function() return workers().replaced == 1 end, 5, "its VM is replaced")
        n:kill9() -- it would never come out
      end)
    end

    it("is answered so when it is a finalizer that loops between two getters", function()
      start [[
        if key == "leaves it" then
          collectgarbage("setpause", 100) -- begins a cycle at once, and ends it within some gets
          collectgarbage("setstepmul", 10000)
          collectgarbage()
          local p = newproxy(true)
          getmetatable(p).__gc = forever
        end
        return "done"
      ]]
      assert.equal("done", assert(n:get("g", "leaves it")).body)
      local i = 0
      eventually(function()
        i = i + 1
        return assert(n:get("g", "k" .. i, { timeout = 10 })).status == 504
      end, 20, "garbage is collected")
      ask_quick "next"
      eventually(function() return workers().replaced == 1 end, 5, "its VM is replaced")
      n:kill9()
    end)
  end)

  describe("out of memory", function()
    local EATERS = {
      { "a table", "local t = {} for i = 1, 1e9 do t[i] = i end" },
      { "many strings", "local t = {} for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end" },
      { "a string that doubles", "local s = 'x' while true do s = s .. s end" },
      { "one string", "return ('x'):rep(1e9)" },
      { "closures", "local f while true do local g = f f = function() return g end end" },
      { "coroutines", "local t = {} while true do t[#t + 1] = coroutine.create(forever) end" },
      { "a coroutine", [[
        coroutine.wrap(function() local t = {} for i = 1, 1e9 do t[i] = {} end end)()]],
        { 502, "GETTER" } }, -- by then it is any error of the coroutine
      { "table.concat", "local t = {} for i = 1, 9000 do t[i] = ('x'):rep(9000) end "
        .. "return table.concat(t)" },
    }

    for _, row in ipairs(EATERS) do
      it(row[1] .. ": the getter fails alone, the others of its VM go on", function()
        start([[
          if key:find "nap" then
            rig.record(key)
            local mine = ("x"):rep(50000)
            rig.gate "morning"
            return key .. #mine
          end
        ]] .. row[2], { args = { "--vm-bytes", "8MB" }, timeout = 20 })
        local naps, fns = {}, {}
        for i = 1, 10 do
          fns[i] = function()
            naps[i] = assert(n:get("g", "nap" .. i, { timeout = 30 })).body
          end
        end
        fns[11] = function()
          rig.wait(n, function() return r:total() == 10 end, 10, "all are asleep")
          for i = 1, 3 do
            local res = assert(n:get("g", "eats" .. i, { timeout = 30 }))
            local got = { res.status, cjson.decode(res.body).code }
            assert.same(row[3] or { 503, "NOMEM" }, got, res.body)
          end
          assert.equal("q:k", assert(n:get("quick", "k")).body)
          r:open "morning"
        end
        http.together(fns)
        for i = 1, 10 do
          assert.equal("nap" .. i .. "50000", naps[i])
        end
        end_node()
      end)
    end

    it("a getter that catches it may go on", function()
      start([[
        local ok, err = pcall(string.rep, "x", 1e9)
        return tostring(ok) .. " " .. err
      ]], { args = { "--vm-bytes", "8MB" }, timeout = 20 })
      for i = 1, 20 do
        assert.equal("false not enough memory", assert(n:get("g", "k" .. i)).body)
      end
      ask_quick "next"
      end_node()
    end)

    it("one that catches it in a loop ends at its deadline", function()
      start("while true do pcall(string.rep, 'x', 1e9) end", { args = { "--vm-bytes", "8MB" } })
      ask_in_vain()
      ask_quick "next"
      end_node()
    end)
  end)

  describe("what a script may not do", function()
    local REFUSED = {
      ["debug.sethook"] = { "debug.sethook()", "the hook stops getters at their deadline" },
      ["debug.sethook with a function"] = { "debug.sethook(function() end, 'c')",
        "debug.sethook is not for node scripts" },
      ["jit.on"] = { "jit.on()", "set jit = true" },
      ["jit.on of a function"] = { "jit.on(forever, true)", "set jit = true" },
      ["jit.opt.start"] = { "jit.opt.start(3)", "set jit = true" },
      ["jit.opt.start, required"] = { "require('jit.opt').start(3)", "set jit = true" },
      ["os.exit"] = { "os.exit(0)", "it would end the node" },
    }

    for _, name in ipairs(sorted(REFUSED)) do
      it(name .. " raises at the getter's line", function()
        start("local _ = 1\n" .. REFUSED[name][1] .. "\nreturn 'did it'")
        local res = assert(n:get("g", "k"))
        local err = cjson.decode(res.body)
        assert.same({ 502, "GETTER" }, { res.status, err.code }, res.body)
        assert.is_truthy(n:logged "node%.lua:9: ")
        assert.matches(REFUSED[name][2], err.error, 1, true)
        ask_quick "next"
        end_node()
      end)
    end

    it("is refused as the script is read, too", function()
      local ok, err = pcall(node.start, { script = "\nos.exit(0)" })
      assert.is_false(ok)
      assert.matches("ended (1)", err, 1, true)
      assert.matches("node.lua:2: os.exit is not for node scripts", err, 1, true)
    end)

    it("is allowed, as to the JIT, by jit = true", function()
      start("jit.on() jit.opt.start(2) return tostring((jit.status()))", { args = { "--jit=yes" } })
      assert.equal("true", assert(n:get("g", "k")).body)
      end_node()
    end)

    describe("as the script is read,", function()
      local function script(settings)
        return "\njit.on()\nrequire('jit.opt').start(2)\n"
          .. "require('groupcache').group('g', { getter = function()\n"
          .. "return tostring((jit.status()))\nend })\nreturn " .. settings
      end

      it("is the JIT when its settings say jit = true, which come last", function()
        n = node.start { script = script "{ jit = true }" }
        assert.equal("true", assert(n:get("g", "k")).body)
        end_node()
      end)

      it("is the JIT when a flag or the environment say so", function()
        n = node.start { script = script "nil", args = { "--jit=yes" } }
        assert.equal("true", assert(n:get("g", "k")).body)
        end_node()
        n = node.start { script = script "{ jit = false }", env = { GROUPCACHE_JIT = "yes" } }
        assert.equal("true", assert(n:get("g", "k")).body)
        end_node()
      end)

      it("is not the JIT without them, which is said with the line", function()
        for _, settings in ipairs { "nil", "{ jit = false }" } do
          local ok, err = pcall(node.start, { script = script(settings) })
          assert.is_false(ok)
          assert.matches("ended (1)", err, 1, true)
          assert.matches("node.lua:2: jit.on is not for node scripts: set jit = true in the node's"
            .. " settings", err, 1, true)
        end
        local path = tmp.file(script "nil", "node.lua")
        local checked = process.run { node.binary, "check", path }
        assert.equal(1, checked.code)
        assert.matches("node.lua:2: jit.on is not for node scripts", checked.stderr, 1, true)
      end)
    end)

    it("leaves all else as it was", function()
      start [[
        local out = {}
        local function say(...)
          for i = 1, select("#", ...) do out[#out + 1] = tostring((select(i, ...))) end
        end
        say(xpcall(function(a, b) return a + b end, print, 1, 2))
        say(xpcall(error, function(e) return "handled " .. e end, "e"))
        say(select("#", xpcall(function() return nil, nil end, print)))
        local co = coroutine.create(function(a) local b = coroutine.yield(a + 1) return b + 1 end)
        say(coroutine.resume(co, 1))
        say(coroutine.resume(co, 5))
        say((coroutine.resume(co)))
        local wrapped = coroutine.wrap(function(a) coroutine.yield(a) error "inside" end)
        say(wrapped(7))
        say(pcall(wrapped))
        say(("abc"):gsub("b", function(c) return c:upper() end))
        say(("abc"):gsub(".", { a = 1 }))
        say(("abc"):gsub("b", "x", 0))
        local parts = { "return ", "...", "+1" }
        say(load(function() return table.remove(parts, 1) end)(41))
        parts = { "oops", "(" }
        say(load(function() return table.remove(parts, 1) end, "=here"))
        say(load(function() error "reader" end))
        say(load("return x", "=c", "t", { x = 3 })())
        return table.concat(out, " ")
      ]]
      local got = assert(n:get("g", "k")).body
      got = got:gsub("%S*/node%.lua:%d+:", "node.lua:")
      assert.equal("true 3 false handled e 3 true 2 true 6 false 7 false node.lua: inside aBc 1"
        .. " 1bc 3 abc 0 42 nil here:1: unexpected symbol near '<eof>' nil node.lua: reader 3", got)
      end_node()
    end)
  end)
end)
