-- SPDX-License-Identifier: MIT

-- Getters that wait for several things at once, that wait for each other, that see their request,
-- and that return tables.

local cjson = require "cjson"
local eventually = require "support.eventually"
local http = require "support.http"
local node = require "support.node"
local rig = require "node.rig"

local function code_of(res)
  return { res.status, cjson.decode(res.body).code }
end

describe("a getter", function()
  local r, n

  local function start(source, opts)
    r, n = rig.start(source, opts)
    return n
  end

  after_each(function()
    if n and n.process:alive() then
      rig.stop(n)
    end
    n = nil
  end)

  describe("with children", function()
    it("waits for all of them at once", function()
      start [[
        local groupcache = require "groupcache"
        local words = groupcache.group("words", { getter = function(key)
          rig.gate(key)
          return key:upper()
        end })
        groupcache.group("all", { getter = function()
          local values, errors = groupcache.all {
            function() return words:get("a") end,
            function() return words:get("b") end,
            function() return nil, "no c" end,
          }
          return table.concat({ values[1], values[2], tostring(values[3]), errors[3] }, " ")
        end })
      ]]
      local answer
      http.together {
        function() answer = assert(n:get("all", "k")) end,
        function()
          rig.wait(n, function() return n:stats().groups.words.flights == 2 end, 10, "both loads")
          r:open "b"
          r:open "a"
        end,
      }
      assert.same({ 200, "A B nil no c" }, { answer.status, answer.body })
    end)

    it("may have children that have children", function()
      start [[
        local groupcache = require "groupcache"
        groupcache.group("deep", { getter = function()
          local function tree(depth, name)
            if depth == 0 then groupcache.sleep(0.01) return name end
            local v = groupcache.all {
              function() return tree(depth - 1, name .. "l") end,
              function() groupcache.sleep(0.005) return tree(depth - 1, name .. "r") end,
            }
            return v[1] .. "," .. v[2]
          end
          return tree(3, "")
        end })
      ]]
      assert.equal("lll,llr,lrl,lrr,rll,rlr,rrl,rrr", assert(n:get("deep", "k")).body)
    end)

    it("gets the results or the error of a spawned function", function()
      start [[
        local groupcache = require "groupcache"
        groupcache.group("spawn", { getter = function()
          local sum = groupcache.spawn(function(a, b)
            groupcache.sleep(0.01)
            return a + b, "and more"
          end, 1, 2)
          local bad = groupcache.spawn(function() groupcache.sleep(0.005) error("broken", 0) end)
          local one, more = sum:wait()
          local ok, err = pcall(bad.wait, bad)
          return ("%s %s %s %s %s"):format(one, more, tostring(ok), err, tostring(sum))
        end })
      ]]
      assert.equal("3 and more false broken groupcache.task(ended)",
        assert(n:get("spawn", "k")).body)
    end)

    it("takes them with it when it ends", function()
      start [[
        local groupcache = require "groupcache"
        groupcache.group("short", { getter = function()
          groupcache.spawn(function()
            groupcache.sleep(0.05)
            rig.record "went on"
          end)
          return "done"
        end })
        groupcache.group("later", { getter = function() groupcache.sleep(0.2) return "later" end })
      ]]
      assert.equal("done", assert(n:get("short", "k")).body)
      assert.equal("later", assert(n:get("later", "k")).body)
      assert.same({}, r:calls())
    end)

    it("cancels them at its deadline", function()
      start [[
        local groupcache = require "groupcache"
        groupcache.group("late", { timeout = 0.2, getter = function()
          groupcache.all {
            function() groupcache.sleep(60) end,
            function() while true do groupcache.sleep(0.01) end end,
          }
        end })
        groupcache.group("fine", { getter = function() return "fine" end })
      ]]
      assert.same({ 504, "TIMEOUT" }, code_of(assert(n:get("late", "k"))))
      assert.equal("fine", assert(n:get("fine", "k")).body)
      eventually(function() return n:stats().workers.loads == 0 end, 5, "the load ends")
    end)

    it("is told when tasks wait for each other", function()
      start [[
        local groupcache = require "groupcache"
        groupcache.group("circle", { timeout = 30, getter = function()
          local first, second
          first = groupcache.spawn(function() groupcache.sleep(0.01) return second:wait() end)
          second = groupcache.spawn(function() return first:wait() end)
          return (first:wait())
        end })
      ]]
      local res = assert(n:get("circle", "k"))
      assert.equal(502, res.status)
      assert.matches("waits for a task that waits for it", res.body, 1, true)
    end)

    it("is refused outside of a getter, and for anything but functions", function()
      start [[
        local groupcache = require "groupcache"
        local top = { pcall(groupcache.spawn, function() end) }
        groupcache.group("wrong", { getter = function()
          local list = { tostring(top[2]),
            select(2, pcall(groupcache.all, { 5 })), select(2, pcall(groupcache.spawn, "x")) }
          return table.concat(list, "\n")
        end })
      ]]
      local body = assert(n:get("wrong", "k")).body
      assert.matches("groupcache.spawn waits, and only a getter or a background function can wait",
        body, 1, true)
      assert.matches("groupcache.all: item 1 is a number, and must be a function", body, 1, true)
      assert.matches("groupcache.spawn: a string, and must be a function", body, 1, true)
    end)
  end)

  describe("with a deadline of its own for a wait", function()
    local SCRIPT = [[
      local groupcache = require "groupcache"
      local function told(value, err, code) return value or code .. ": " .. err end
      local slow = groupcache.group("slow", { timeout = 20, getter = function(key)
        rig.record(key)
        rig.gate "slow"
        return "slow " .. key
      end })
      local quick = groupcache.group("quick", { timeout = 0.2, getter = function()
        rig.gate "never"
      end })
      groupcache.group("hasty", { timeout = 20, getter = function(key)
        return told(slow:get(key, { timeout = 0.05 }))
      end })
      groupcache.group("patient", { timeout = 20, getter = function(key)
        return told(slow:get(key, { timeout = 15 }))
      end })
      groupcache.group("either", { timeout = 20, getter = function(key)
        local values, errors = groupcache.all {
          function() return slow:get(key, { timeout = 0.05 }) end,
          function() return slow:get(key, 15) end,
        }
        return tostring(values[1]) .. ", " .. errors[1] .. ", " .. values[2]
      end })
      groupcache.group("late", { timeout = 20, getter = function(key)
        return told(quick:get(key, { timeout = 15 }))
      end })
      groupcache.group("wrong", { getter = function(key)
        local list = {}
        for i, given in ipairs { 0, -1, 0 / 0, "1", { timeout = 0 }, { timeot = 1 }, true } do
          list[i] = select(2, pcall(function() local _ = slow:get(key, given) end))
        end
        return table.concat(list, "\n")
      end })
    ]]
    local LATE = "TIMEOUT: group slow: no value within 0.05 s"

    it("ends it alone, while the load and others that wait for it go on", function()
      start(SCRIPT)
      local answers = {}
      http.together {
        function() answers.client = assert(n:get("slow", "k")) end,
        function() answers.patient = assert(n:get("patient", "k")) end,
        function() answers.either = assert(n:get("either", "k")) end,
        function()
          rig.wait(n, function() return n:stats().groups.slow.waiters >= 3 end, 10, "all wait")
          answers.hasty = assert(n:get("hasty", "k"))
          rig.wait(n, function() return n:stats().groups.slow.waiters == 3 end, 10, "two gave up")
          r:open "slow"
        end,
      }
      assert.same({ 200, LATE }, { answers.hasty.status, answers.hasty.body })
      assert.equal("slow k", answers.client.body)
      assert.equal("slow k", answers.patient.body)
      assert.equal("nil, " .. LATE:sub(10) .. ", slow k", answers.either.body)
      assert.equal(1, r:total())
      assert.equal("main", assert(n:get("slow", "k")).headers["x-cache"])
    end)

    it("leaves the value to the cache when nobody else waits for it", function()
      start(SCRIPT)
      assert.equal(LATE, assert(n:get("hasty", "k")).body)
      assert.same({ 1, 0 }, { n:stats().groups.slow.flights, n:stats().groups.slow.waiters })
      r:open "slow"
      eventually(function() return n:stats().groups.slow.flights == 0 end, 5, "the load ends")
      assert.equal("main", assert(n:get("slow", "k")).headers["x-cache"])
      assert.equal("slow k", assert(n:get("patient", "k")).body)
    end)

    it("does not outlast the load's", function()
      start(SCRIPT)
      -- The getter says so or, where its VM comes too late, the load.
      assert.matches("^TIMEOUT: group quick: %C+ 0%.2 s$", assert(n:get("late", "k")).body)
    end)

    it("is told what a deadline may be, at its own line", function()
      start(SCRIPT)
      local lines = 0
      for line in assert(n:get("wrong", "k")).body:gmatch "[^\n]+" do
        lines = lines + 1
        assert.matches("node.lua:30: group:get: ", line, 1, true)
      end
      assert.equal(7, lines)
      assert.same({}, r:calls())
    end)
  end)

  describe("that asks in a circle", function()
    it("fails with CYCLE, however long the circle, and whoever closes it", function()
      start [[
        local groupcache = require "groupcache"
        local groups = {}
        for i = 1, 5 do
          groups[i] = groupcache.group("g" .. i, { timeout = 30, getter = function(key)
            if key == "held" then rig.gate "held" end
            return groups[i % 5 + 1]:get(key)
          end })
        end
      ]]
      assert.same({ 508, "CYCLE" }, code_of(assert(n:get("g1", "k"))))
      local answers = {}
      local fns = {}
      for i = 1, 5 do -- five loads that clients began, each of which comes to wait for the next
        fns[i] = function() answers[i] = assert(n:get("g" .. i, "held")) end
      end
      fns[6] = function()
        rig.wait(n, function()
          local waiting = 0
          for i = 1, 5 do
            waiting = waiting + n:stats().groups["g" .. i].flights
          end
          return waiting == 5
        end, 10, "five loads")
        r:open "held"
      end
      http.together(fns)
      for i = 1, 5 do
        assert.same({ 508, "CYCLE" }, code_of(answers[i]))
      end
    end)

    it("does not take a diamond for one", function()
      start [[
        local groupcache = require "groupcache"
        local bottom = groupcache.group("bottom", { getter = function()
          groupcache.sleep(0.05)
          return "b"
        end })
        local left = groupcache.group("left", { getter = function(k) return bottom:get(k) end })
        local right = groupcache.group("right", { getter = function(k) return bottom:get(k) end })
        groupcache.group("top", { getter = function(k)
          local v = groupcache.all {
            function() return left:get(k) end, function() return right:get(k) end }
          return v[1] .. v[2]
        end })
      ]]
      assert.equal("bb", assert(n:get("top", "k")).body)
      assert.equal(1, n:stats().groups.bottom.local_loads)
    end)
  end)

  describe("sees of its request", function()
    local SCRIPT = [[
      local groupcache = require "groupcache"
      groupcache.group("ctx", {
        pass_headers = { "X-Tenant", "Accept-Language" },
        codec = "json",
        timeout = 3,
        getter = function(key, ctx)
          return { group = ctx.group, key = ctx.key, from_peer = ctx.from_peer, peer = ctx.peer,
            headers = ctx.headers, left = ctx.deadline - groupcache.now() }
        end,
      })
    ]]

    it("what the group passes on, and no more", function()
      start(SCRIPT)
      local headers = { ["x-tenant"] = "acme", ["X-Other"] = "o" }
      local res = assert(n:get("ctx", "k", { headers = headers }))
      local seen = cjson.decode(res.body)
      assert.equal("application/json", res.headers["content-type"])
      assert.is_true(seen.left > 2 and seen.left <= 3, seen.left)
      seen.left = nil
      assert.same({ group = "ctx", key = "k", from_peer = false,
        headers = { ["x-tenant"] = "acme" } }, seen)
    end)

    it("who asked, and the same headers, when a peer passes the request on", function()
      r = rig.new()
      local nodes = node.cluster(2, { script = r:script(SCRIPT) })
      local urls = { nodes[1].url, nodes[2].url }
      local key = rig.owned_by(urls, nodes[2].url, "k")
      local res = assert(nodes[1]:get("ctx", key, { headers = { ["X-Tenant"] = "acme" } }))
      local seen = cjson.decode(res.body)
      assert.same({ true, nodes[1].url, { ["x-tenant"] = "acme" } },
        { seen.from_peer, seen.peer, seen.headers })
      rig.stop(nodes[1])
      rig.stop(nodes[2])
    end)
  end)

  describe("with a codec", function()
    it("returns tables, and others get tables", function()
      start [[
        local groupcache = require "groupcache"
        local plain = { encode = function(t) return table.concat(t, "|") end,
          decode = function(s)
            local t = {}
            for x in s:gmatch "[^|]+" do t[#t + 1] = x end
            return t
          end }
        for name, codec in pairs { json = "json", msgpack = "msgpack", own = plain } do
          local group = groupcache.group(name, { codec = codec,
            getter = function(key) return { key, "b" } end })
          groupcache.group("of " .. name, { getter = function(key)
            local t, err = group:get(key)
            return t and type(t) .. " " .. t[1] .. t[2] or nil, err
          end })
        end
      ]]
      for _, name in ipairs { "json", "msgpack", "own" } do
        assert.equal("table ab", assert(n:get("of " .. name, "a")).body)
      end
      assert.equal('["a","b"]', assert(n:get("json", "a")).body)
      assert.equal("\146\161a\161b", assert(n:get("msgpack", "a")).body)
      assert.equal("application/msgpack", assert(n:get("msgpack", "a")).headers["content-type"])
      assert.equal("a|b", assert(n:get("own", "a")).body)
    end)

    it("is told when its value cannot be encoded", function()
      start [[
        require("groupcache").group("odd", { codec = "json",
          getter = function() return { f = function() end } end })
      ]]
      local res = assert(n:get("odd", "k"))
      assert.same({ 502, "GETTER" }, code_of(res))
      assert.matches("the codec cannot encode the value", res.body, 1, true)
    end)
  end)

  it("may return any result of another group", function()
    start [[
      local groupcache = require "groupcache"
      local inner = groupcache.group("inner", { timeout = 0.2, getter = function(key)
        if key == "none" then return nil end
        if key == "slow" then groupcache.sleep(10) end
        return "v:" .. key
      end })
      groupcache.group("outer", { getter = function(key) return inner:get(key) end })
    ]]
    assert.equal("v:a", assert(n:get("outer", "a")).body)
    assert.equal("main", assert(n:get("outer", "a")).headers["x-cache"])
    assert.same({ 404, "NOTFOUND" }, code_of(assert(n:get("outer", "none"))))
    assert.same({ 504, "TIMEOUT" }, code_of(assert(n:get("outer", "slow"))))
  end)
end)
