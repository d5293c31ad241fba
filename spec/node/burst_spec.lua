-- SPDX-License-Identifier: MIT

-- Getters that compute for long: they are set aside, and go on; their processor time is bounded.

local cjson = require "cjson"
local http = require "support.http"
local node = require "support.node"
local socket = require "socket"

local SLOW = os.getenv "SAN" or os.getenv "GROUPCACHED_WRAP"

-- compute(s) computes for so many seconds. update() changes a pair that others must see whole.
local HEAD = [[
local groupcache = require "groupcache"
local function compute(seconds)
  local till = groupcache.now() + seconds
  while groupcache.now() < till do end
end
local whole = true
local function update(seconds)
  whole = false
  compute(seconds)
  whole = true
end
]]

describe("a getter that computes for long", function()
  local n

  after_each(function()
    if n then
      assert.equal(0, (n:stop()))
    end
    n = nil
  end)

  local function start(body)
    n = node.start { args = { "--workers", "1" }, script = HEAD .. body }
  end

  -- Asks another group again and again while group g computes. Others see an update half done, or
  -- they do not.
  local function others_see(half_done, body)
    start(body .. [[
      groupcache.group("quick", { timeout = 60, cache_bytes = 0, getter = function()
        return tostring(whole)
      end })
    ]])
    local long
    local seen = {}
    http.together {
      function() long = assert(n:get("g", "k", { timeout = 60 })) end,
      function()
        local i = 0
        repeat
          i = i + 1
          seen[assert(n:get("quick", "q" .. i, { timeout = 60 })).body] = true
        until long
      end,
    }
    assert.same({ 200, "done" }, { long.status, long.body })
    assert.equal(half_done, seen["false"] or false)
    assert.is_true(seen["true"])
  end

  it("is set aside after its burst, so that others run, and goes on where it was", function()
    others_see(true, [[
      groupcache.group("g", { timeout = 60, burst = 0.02, cpu_timeout = 0, getter = function()
        update(1.5)
        return "done"
      end })
    ]])
  end)

  it("is not with burst = 0", function()
    others_see(false, [[
      groupcache.group("g", { timeout = 60, burst = 0, cpu_timeout = 0, getter = function()
        update(0.4)
        return "done"
      end })
    ]])
  end)

  it("is not within its burst", function()
    others_see(false, [[
      groupcache.group("g", { timeout = 60, burst = 5, cpu_timeout = 0, getter = function()
        update(0.4)
        return "done"
      end })
    ]])
  end)

  it("is not inside groupcache.critical, a coroutine of its own, or a C function", function()
    for _, call in ipairs {
      "groupcache.critical(update, 0.4)",
      "coroutine.wrap(update)(0.4)",
      "local _ = ('x'):gsub('x', function() update(0.4) end)",
      "table.sort({ 1, 2 }, function(a, b) if whole then update(0.4) end return a < b end)",
      "for _ = 1, 1 do local p = newproxy(true) getmetatable(p).__gc = function() update(0.4) end "
        .. "p = nil collectgarbage() end",
    } do
      others_see(false, ([[
        groupcache.group("g", { timeout = 60, burst = 0.02, cpu_timeout = 0, getter = function()
          %s
          return "done"
        end })
      ]]):format(call))
      assert.equal(0, (n:stop()))
      n = nil
    end
  end)

  it("is set aside in a spawned function, too", function()
    others_see(true, [[
      groupcache.group("g", { timeout = 60, burst = 0.02, cpu_timeout = 0, getter = function()
        local task = groupcache.spawn(function()
          groupcache.sleep(0.01)
          update(1.5)
          return "done"
        end)
        return task:wait()
      end })
    ]])
  end)

  it("gets the right result, whatever it was in when it was set aside", function()
    start [[
      local W = {}
      function W.calls()
        local function f(...) return select("#", ...), ... end
        local n = 0
        for i = 1, 3e5 do local a, b, c = f(i, 2, f(3)) n = (n * 31 + a + b + c) % 1000003 end
        return n
      end
      function W.errors()
        local n = 0
        for i = 1, 3e5 do
          local ok, v = pcall(function() if i % 3 == 0 then error(i, 0) end return 1 end)
          n = n + (ok and v or v % 7)
        end
        return n
      end
      function W.meta()
        local mt = {
          __index = function(_, k) local s = 0 for i = 1, #k do s = s + i end return s end,
          __add = function(a, b) rawset(a, 1, rawget(a, 1) + b) return a end,
          __lt = function(a, b) return rawget(a, 1) < rawget(b, 1) end,
          __call = function(_, x) return x * 2 end,
        }
        local t, u = setmetatable({ 0 }, mt), setmetatable({ 500 }, mt)
        local n = 0
        for i = 1, 2e5 do
          t = t + 1
          n = n + t.abc + t(i) % 5
          if t < u then n = n + 1 end
        end
        return n
      end
      function W.iterators()
        local n = 0
        local function it(s, c) if c < s then return c + 1, c * 2 end end
        for _ = 1, 4000 do
          for a, b in it, 50, 0 do n = (n + a * b) % 99991 end
          for k, v in pairs { 1, 2, x = 3 } do n = n + v end
        end
        return n
      end
      for i, burst in ipairs { 0, 0.001 } do
        groupcache.group("g" .. i, { burst = burst, cpu_timeout = 0, timeout = 60,
          getter = function(key) return tostring(W[key:match "%a+"]()) end })
      end
    ]]
    for _, what in ipairs { "calls", "errors", "meta", "iterators" } do
      local expected = assert(n:get("g1", what, { timeout = 60 })).body
      local fns = {}
      for i = 1, 4 do
        fns[i] = function()
          local res = assert(n:get("g2", what .. i, { timeout = 60 }))
          assert.same({ 200, expected }, { res.status, res.body })
        end
      end
      http.together(fns)
    end
  end)

  describe("and its processor time", function()
    local function ask(key)
      local began = socket.gettime()
      local res = assert(n:get("g", key, { timeout = 60 }))
      return res, socket.gettime() - began
    end

    local function used_up(key)
      local res, took = ask(key)
      assert.same({ 504, "TIMEOUT", "group g: the getter computed for 0.3 s (cpu_timeout)" },
        { res.status, cjson.decode(res.body).code, cjson.decode(res.body).error })
      assert(took >= 0.28, took .. " s")
      assert.equal("next", (ask "next").body)
    end

    before_each(function()
      start(([[
        groupcache.group("g", { timeout = %d, cpu_timeout = 0.3, getter = function(key)
          if key == "loop" then while true do end end
          if key == "caught" then while true do pcall(function() while true do end end) end end
          if key == "own" then coroutine.wrap(function() while true do end end)() end
          if key == "under C" then ("x"):gsub("x", function() while true do end end) end
          if key == "critical" then groupcache.critical(function() while true do end end) end
          if key == "bits" then
            while true do compute(0.02) groupcache.sleep(0.001) end
          end
          if key == "speaks" then
            error(setmetatable({}, { __tostring = function() while true do end end }))
          end
          if key == "blocks" then os.execute "sleep 0.8" end
          return key
        end })
      ]]):format(SLOW and 60 or 10))
    end)

    for _, key in ipairs { "loop", "caught", "own", "under C", "critical", "bits", "speaks" } do
      it("is bounded: " .. key, function() used_up(key) end)
    end

    it("does not grow while it blocks", function()
      assert.equal("blocks", (ask "blocks").body)
    end)
  end)

  it("is not interrupted in a system call, though its burst has ended", function()
    start [[
      local ffi = require "ffi"
      pcall(ffi.cdef, "int poll(void *fds, unsigned long n, int timeout);")
      groupcache.group("g", { timeout = 60, burst = 0.02, getter = function()
        return tostring(ffi.C.poll(nil, 0, 500)) .. " " .. tostring(ffi.errno())
      end })
    ]]
    assert.equal("0 0", assert(n:get("g", "k", { timeout = 60 })).body)
  end)
end)

describe("a getter under luv that is set aside", function()
  it("gets what a callback brings before it yields", function()
    if not pcall(require, "luv") then
      return pending "no luv"
    end
    local n = node.start { args = { "--workers", "1", "--loop", "luv" }, script = HEAD .. [[
      local uv = require "luv"
      groupcache.group("g", { timeout = 60, burst = 0.02, cpu_timeout = 0, getter = function()
        local me, timer, early = coroutine.running(), uv.new_timer()
        timer:start(1, 0, function()
          early = coroutine.resume(me, "brought", nil, "too") and not coroutine.resume(me, "again")
          timer:close()
        end)
        compute(0.5)
        local first = tostring(early)
        return table.concat({ first, tostring((select("#", coroutine.yield()))) }, " ")
      end })
    ]] }
    assert.equal("true 3", assert(n:get("g", "k", { timeout = 60 })).body)
    assert.equal(0, (n:stop()))
  end)
end)

describe("groupcache.critical", function()
  it("returns what its function does, passes its errors on, and cannot be waited in", function()
    local n = node.start { script = [[
      local groupcache = require "groupcache"
      local early = groupcache.critical(function(...) return select("#", ...) end, 1, nil, nil)
      groupcache.group("g", { getter = function()
        local function text(...)
          local t = { ... }
          for i = 1, select("#", ...) do t[i] = tostring(t[i]) end
          return table.concat(t, " ", 1, select("#", ...))
        end
        return table.concat({ tostring(early),
          text(groupcache.critical(function(...) return ... end, 1, nil, "x")),
          text(pcall(groupcache.critical, function() error("no luck", 0) end)),
          text(pcall(groupcache.critical, groupcache.sleep, 0)),
          text(pcall(groupcache.critical, 5)) }, "\n")
      end })
    ]] }
    local lines = {}
    for line in assert(n:get("g", "k")).body:gmatch "[^\n]+" do
      lines[#lines + 1] = line
    end
    assert.same({ "3", "1 nil x", "false no luck" }, { lines[1], lines[2], lines[3] })
    assert.matches("groupcache.sleep waits, and cannot inside groupcache.critical", lines[4], 1,
      true)
    assert.matches("groupcache.critical: a number, and must be a function", lines[5], 1, true)
    assert.equal(0, (n:stop()))
  end)
end)
