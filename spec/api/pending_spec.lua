-- SPDX-License-Identifier: MIT

-- Gets of a program that do not block it: under cqueues, copas and luv, and without a loop.

local program = require "api.program"
local tmp = require "support.tmp"

local script = tmp.file([[
  local groupcache = require "groupcache"
  groupcache.group("g", { timeout = 20, getter = function(key)
    if key == "none" then return nil end
    if key == "bad" then return nil, "timeout" end
    groupcache.sleep(key == "long" and 15 or 0.2)
    return "v:" .. key
  end })
  return { listen = "127.0.0.1:0", workers = 1, http_threads = 1, log_level = "error" }
]], "node.lua")

-- What a program with a node prints. took(fn): the seconds that fn takes, in fifths.
local function says(want, source)
  program.says(want, ([[
    local n = assert(groupcache.start { script = %q }) local g = n:group "g"
    local function took(fn)
      local begin = socket.gettime()
      fn()
      return math.floor((socket.gettime() - begin) / 0.2) < 4 and "at once" or "one by one"
    end
  ]]):format(script):gsub("\n", " ") .. source)
end

describe("a get that has been started", function()
  it("goes on beside others, and gives what get gives", function()
    says([[
at once
v:1|nil|local
v:8|nil|local
nil|group g: not found|NOTFOUND
v:1|nil|main
]], [[
      local p = {}
      say(took(function()
        for i = 1, 8 do p[i] = g:start(tostring(i)) end
        for i = 1, 8 do p[i]:result() end
      end))
      say(p[1]:result())
      say(p[8]:result())
      say(g:start("none"):result())
      local hit = g:start "1"
      assert(hit:done())
      say(hit:result())
    ]])
  end)

  it("gives the value with its headers, from a load and from the cache", function()
    says("v:a|200\nv:a|200\n", [[
      local loaded = g:start("a", { full = true }):result()
      say(loaded.body, loaded.status)
      local kept = g:start("a", { full = true }):result()
      say(kept.body, kept.status)
    ]])
  end)

  it("ends with the caller's own timeout", function()
    says("nil|group g: no value within 0.05 s|TIMEOUT\n", [[
      local p = g:start("long", 0.05)
      assert(p:timeout() <= 0.05)
      say(p:result())
      assert(not p:timeout() and p:done())
    ]])
  end)

  it("has a descriptor that is readable from its end on", function()
    says("false|true|true\n", [[
      local p = g:start "k"
      local function readable(s) return #socket.select({ p }, nil, s) == 1 end
      local before = readable(0)
      say(before, readable(5), readable(0))
      assert(g:start("k"):pollfd() ~= p:pollfd())
    ]])
  end)

  it("gives back its descriptor when it is closed or collected", function()
    says("true\nfine\n", [[
      local lfs = require "lfs"
      local function count()
        local c = 0
        for _ in lfs.dir "/proc/self/fd" do c = c + 1 end
        return c
      end
      local before = count()
      for i = 1, 50 do
        local p = g:start("long", 10)
        p:pollfd()
        if i % 2 == 0 then p:close() end
      end
      collectgarbage() collectgarbage()
      say(count() <= before + 5) -- the stack may hold one, the node may open some
      say(pcall(function() local p = g:start "k" p:close() p:close() return p:done() end)
        == false and "fine")
    ]])
  end)

  it("ends with CLOSED when its node is closed", function()
    says("CLOSED\n", [[
      local p = g:start "long"
      n:close()
      say((select(3, p:result())))
    ]])
  end)

  it("is read-only, and misuse raises at the caller's line", function()
    says("true|true\n", [[
      local ok, one = pcall(function() g:start(1) end)
      local _, two = pcall(function() local p = g:start "k" p:close() p:result() end)
      say(not ok and one:find("prog.lua:%d+: group:start: the key is a number") ~= nil,
        two:find("prog.lua:%d+: pending:result: this get is closed") ~= nil)
    ]])
  end)
end)

describe("a get of many keys that has been started", function()
  it("gives values and errors by key, once the last key has ended", function()
    says([[
at once
false
v:1|v:8|nil
NOTFOUND
true
v:1|200
]], [[
      local keys, p = { "none", "bad" }
      for i = 1, 8 do keys[i + 2] = tostring(i) end
      local before, values, errors
      say(took(function()
        p = g:start_many(keys)
        before = p:done()
        values, errors = p:result()
      end))
      say(before)
      say(values["1"], values["8"], values.none)
      say(errors.none.code)
      say(errors.bad.message:find "timeout" ~= nil)
      local all = g:start_many({ "1" }, { full = true }):result()
      say(all["1"].body, all["1"].status)
    ]])
  end)

  it("gives the keys that have ended at the caller's own timeout", function()
    says("v:a|TIMEOUT|group g: no value within 0.05 s\n", [[
      g:get "a"
      local p = g:start_many({ "a", "long" }, 0.05)
      assert(p:timeout() <= 0.05)
      local values, errors = p:result()
      say(values.a, errors.long.code, errors.long.message)
    ]])
  end)

  it("has one descriptor, and may be closed before its end", function()
    says("false|true\ntrue\nCLOSED\n", [[
      local p = g:start_many { "a", "b" }
      local before = #socket.select({ p }, nil, 0) == 1
      say(before, #socket.select({ p }, nil, 5) == 1)
      local q = g:start_many { "long", "a" }
      q:pollfd() q:close()
      q = g:start_many {}
      say(next((q:result())) == nil)
      q = g:start_many { "long" }
      n:close()
      say((select(2, q:result())).long.code)
    ]])
  end)

  it("raises at the caller's line", function()
    says("true\n", [[
      local _, one = pcall(function() g:start_many { 1 } end)
      say(one:find("prog.lua:%d+: group:start_many: key 1 is a number") ~= nil)
    ]])
  end)

  it("ends in the call on a group alone", function()
    program.says("true\nA|GETTER\n", [[
      local g = groupcache.group("g", { getter = function(key)
        if key == "bad" then error "oh" end
        return key:upper()
      end })
      local p = g:start_many { "a", "bad" }
      say(p:done())
      local values, errors = p:result()
      say(values.a, errors.bad.code)
    ]])
  end)
end)

describe("in a program with cqueues", function()
  it("group:get lets the other coroutines run", function()
    says("at once\n8\ntrue\n", [[
      local cqueues = require "cqueues"
      local q, ended, turns = cqueues.new(), 0, 0
      for i = 1, 8 do
        q:wrap(function()
          assert(g:get("k" .. i) == "v:k" .. i)
          ended = ended + 1
        end)
      end
      q:wrap(function()
        while ended < 8 do cqueues.sleep(0.005) turns = turns + 1 end
      end)
      say(took(function() assert(q:loop()) end))
      say(ended)
      say(turns > 5)
    ]])
  end)

  it("group:get_many lets the other coroutines run", function()
    says("at once\n8\nNOTFOUND\ntrue\n", [[
      local cqueues = require "cqueues"
      local q, ended, turns, errors = cqueues.new(), 0, 0
      q:wrap(function()
        local keys = { "none" }
        for i = 1, 8 do keys[i + 1] = "k" .. i end
        local values
        values, errors = g:get_many(keys)
        for i = 1, 8 do ended = ended + (values["k" .. i] == "v:k" .. i and 1 or 0) end
        assert(values.none == nil)
      end)
      q:wrap(function()
        while not errors do cqueues.sleep(0.005) turns = turns + 1 end
      end)
      say(took(function() assert(q:loop()) end))
      say(ended)
      say(errors.none.code)
      say(turns > 5)
    ]])
  end)

  it("has no trouble with descriptors whose numbers come again", function()
    says("600\n", [[
      local cqueues = require "cqueues"
      local q, good = cqueues.new(), 0
      for i = 1, 3 do
        q:wrap(function()
          for round = 1, 200 do
            local value, _, code = g:get("none")
            local p = g:start(("%d %d"):format(i, round), 0.001)
            cqueues.poll(p)
            p:close()
            good = good + (value == nil and code == "NOTFOUND" and 1 or 0)
          end
        end)
      end
      assert(q:loop())
      say(good)
    ]])
  end)

  it("group:get blocks where a coroutine cannot yield, and outside of one", function()
    says("v:a\nv:b\n", [[
      local cqueues = require "cqueues"
      local q = cqueues.new()
      q:wrap(function()
        local list = { "a", "b" }
        local got
        table.sort(list, function() got = got or g:get "a" return false end)
        say(got)
      end)
      assert(q:loop())
      say((g:get "b"))
    ]])
  end)
end)

local no_copas = program.lacks "copas"

describe("in a program with copas", function()
  if no_copas then
    pending(no_copas)
    return
  end

  it("copas.receive waits for a get, and others run", function()
    says("at once\n8\n", [[
      package.loaded["socket.http"] = nil
      local copas = require "copas"
      local ended = 0
      for i = 1, 8 do
        copas.addthread(function()
          local p = g:start("k" .. i)
          local value, err, source = copas.receive(p)
          assert(value == "v:k" .. i and err == nil and source == "local")
          p:close()
          ended = ended + 1
        end)
      end
      say(took(function() while ended < 8 do copas.step(1) end end))
      say(ended)
    ]])
  end)

  it("copas.receive waits for a get of many keys", function()
    says("at once\nv:1|v:8|NOTFOUND\n", [[
      package.loaded["socket.http"] = nil
      local copas = require "copas"
      local values, errors
      copas.addthread(function()
        values, errors = copas.receive(g:start_many { "1", "8", "none" })
      end)
      say(took(function() while not values do copas.step(1) end end))
      say(values["1"], values["8"], errors.none.code)
    ]])
  end)

  it("a getter's error is one there, whatever its text", function()
    says("nil|the getter says: timeout|GETTER\n", [[
      local copas = require "copas"
      local done
      copas.addthread(function()
        say(copas.receive(g:start "bad"))
        done = true
      end)
      while not done do copas.step(1) end
    ]])
  end)
end)

describe("in a program with luv", function()
  it("a get is polled by its descriptor", function()
    says("at once\n8\n", [[
      local uv = require "luv"
      local ended = 0
      for i = 1, 8 do
        local p = g:start("k" .. i)
        local poll = uv.new_poll(p:pollfd())
        poll:start("r", function()
          poll:stop()
          poll:close(function() p:close() end)
          assert(p:result() == "v:k" .. i)
          ended = ended + 1
        end)
      end
      say(took(uv.run))
      say(ended)
    ]])
  end)
end)

describe("a group alone in a program with coroutines", function()
  it("has one load for all that start a get of a key, under any scheduler", function()
    if no_copas then
      pending(no_copas)
      return
    end
    program.says("1\n4\n", [[
      local copas = require "copas"
      local calls, ended, gate = 0, 0, assert(socket.bind("127.0.0.1", 0))
      local g = groupcache.group("g", { getter = function(key)
        calls = calls + 1
        local c = socket.tcp()
        copas.connect(c, gate:getsockname())
        copas.receive(c) -- until the gate answers
        c:close()
        return "v:" .. key
      end })
      for _ = 1, 4 do
        copas.addthread(function()
          local p = g:start "k"
          assert(copas.receive(p) == "v:k")
          p:close()
          ended = ended + 1
        end)
      end
      copas.addserver(gate, function(c)
        copas.send(c, "go on\n")
        c:close()
      end)
      until_true(function() copas.step(0.1) return ended == 4 end)
      say(calls)
      say(ended)
    ]])
  end)

  it("decodes, and says CYCLE to a getter that starts its own key", function()
    program.says("7\nCYCLE\n", [[
      local g
      g = groupcache.group("g", { codec = "json", getter = function(key)
        if key == "self" then
          local _, _, code = g:start(key):result()
          return code
        end
        return { n = 7 }
      end })
      say(g:start("k"):result().n)
      say((g:start("self"):result()))
    ]])
  end)
end)
