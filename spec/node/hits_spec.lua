-- SPDX-License-Identifier: MIT

-- Getters that ask other groups for what is there.

local cjson = require "cjson"
local http = require "support.http"
local node = require "support.node"
local rig = require "node.rig"

describe("a getter that asks for a cached key", function()
  local n

  -- `body` is that of a function of the group `store`, whose values are "<key>-<n-th load>".
  local function ask(body, opts)
    local o = opts or {}
    local r = rig.new()
    n = node.start { args = { "--workers", o.workers or "1", "--vm-bytes", o.vm_bytes or "64MiB" },
      script = r:script([[
      local groupcache = require "groupcache"
      local loads = 0
      local store = groupcache.group("store", { writable = true, ]] .. (o.store or "") .. [[
        getter = function(key)
          loads = loads + 1
          return ]] .. (o.value or [[key .. "-" .. loads]]) .. [[

        end })
      groupcache.group("ask", { ttl = 0.001, getter = function(key)
        ]] .. body .. [[

      end })
    ]]) }
    return function(key)
      local res = assert(n:get("ask", key or "k" .. math.random(1e9)))
      assert(res.status == 200, res.body)
      return res.body
    end
  end

  local function store()
    return n:stats().groups.store
  end

  after_each(function()
    if n then
      rig.stop(n)
      n = nil
    end
  end)

  it("gets it, and where it was, and is counted once each time", function()
    local asked = ask [[
      local out = {}
      for i = 1, 200 do
        local value, err, source = store:get("a")
        out[value .. " " .. tostring(err) .. " " .. source] = (out[value .. " " ..
          tostring(err) .. " " .. source] or 0) + 1
      end
      return "local " .. out["a-1 nil local"] .. " main " .. out["a-1 nil main"]
    ]]
    assert.equal("local 1 main 199", asked())
    local s = store()
    assert.same({ 200, 199, 1, 199 }, { s.gets, s.cache_hits, s.loads, s.main.hits })
  end)

  it("does not get a replaced, removed, flushed or expired value", function()
    local asked = ask([[ return store:get("a") .. store:get("a") .. store:get("a") ]],
      { store = "ttl = 0.3," })
    assert.equal("a-1a-1a-1", asked())
    assert.equal("a-1a-1a-1", asked())
    assert(http.request { url = n.url .. "/cache/store/a", method = "PUT", body = "set" })
    assert.equal("setsetset", asked())
    assert(http.request { url = n.url .. "/cache/store/a", method = "DELETE" })
    assert.equal("a-2a-2a-2", asked())
    local again
    rig.wait(n, function()
      again = asked()
      return again ~= "a-2a-2a-2"
    end, 10, "it is over")
    assert.matches("a-3$", again)
  end)

  it("is told that it cannot wait, whether it is there or not", function()
    local asked = ask [[
      local get = function() return store:get(key) end
      local in_coroutine = select(2, coroutine.resume(coroutine.create(get)))
      local in_sort = select(2, pcall(table.sort, { 1, 2 }, get))
      return (in_coroutine .. "\n" .. in_sort)
    ]]
    local missed = asked "k"
    assert.matches("a coroutine that a getter made cannot", missed)
    assert.matches("cannot inside groupcache.critical, table.sort", missed)
    assert(n:get("store", "there"))
    assert.equal(missed, asked "there")
  end)

  it("gets it in a function that it spawned, too", function()
    local asked = ask [[
      store:get("a")
      local values = groupcache.all { function() return store:get("a") end,
        function() return store:get("b") .. store:get("b") end }
      return values[1] .. values[2]
    ]]
    assert.equal("a-1b-2b-2", asked())
  end)

  it("remembers small values, within remember_bytes", function()
    local asked = ask([[
      for _ = 1, 3 do
        for i = 1, tonumber(key) do
          local large = i % 2 == 0
          assert(#store:get(("%03d"):format(i)) == (large and 9000 or 1000))
        end
      end
      return "ok"
    ]], { store = "remember_bytes = 400000,",
      value = [[("x"):rep(tonumber(key) % 2 == 0 and 9000 or 1000)]] })
    assert.equal("ok", asked "20")
    assert.equal(10, store().remembered_items)
    assert.equal("ok", asked "1000")
    local s = store()
    assert(s.remembered_items > 100 and s.remembered_bytes <= 400000, cjson.encode(s))
    assert.equal(3 * 1020, s.gets)
  end)

  it("remembers a key whose string is made anew each time", function()
    local asked = ask [[
      for i = 1, 2000 do
        assert(store:get("key" .. i % 20) == "key" .. i % 20 .. "-" .. (i - 1) % 20 + 1)
        if i % 50 == 0 then collectgarbage() end
      end
      return "ok"
    ]]
    assert.equal("ok", asked())
    local s = store()
    assert.same({ 2000, 1980, 20 }, { s.gets, s.cache_hits, s.remembered_items })
  end)

  it("gets each key's own value while more keys are asked for than it remembers", function()
    local asked = ask([[
      math.randomseed(1)
      for i = 1, 30000 do
        local name = "k" .. math.random(i % 3000 < 1000 and 2000 or 100)
        local value = store:get(name)
        if value:match "^[^-]*" ~= name then
          return name .. " has " .. value
        elseif i % 500 == 0 then
          store:remove(name)
        end
      end
      return "fine"
    ]], { store = "remember_bytes = 200000,", value = [[key .. "-" .. ("x"):rep(loads % 300)]] })
    assert.equal("fine", asked())
    local s = store()
    assert(s.remembered_items > 50 and s.remembered_bytes <= 200000, cjson.encode(s))
    assert.equal(30000, s.gets)
  end)

  it("keeps strings of values in a quarter of vm_bytes, and drops them when the heap is full",
    function()
      local asked = ask([[
        if key == "hold" then
          held = {}
          for i = 1, 160 do held[i] = ("%08d"):format(i):rep(8192) end
          return ""
        end
        for _ = 1, 2 do
          for i = 1, key == "count" and 0 or 8000 do
            if store:get("k" .. i):match "^k%d+-" ~= "k" .. i .. "-" then return "another" end
          end
        end
        collectgarbage()
        return tostring(collectgarbage "count" / 1024 - (held and 10 or 0))
      ]], { vm_bytes = "16MiB", value = [[key .. "-" .. ("x"):rep(1000)]] })
      local kept = tonumber(asked())
      assert(kept > 3 and kept < 4.5, kept)
      assert.equal("", asked "hold") -- 10 MB
      local left = tonumber(asked "count")
      assert(left < 2, left)
      left = tonumber(asked())
      assert(left < 2, left)
      assert.equal(32000, store().gets)
    end)

  it("may be disturbed by a finalizer that asks as well", function()
    local asked = ask([[
      local asked, wrong = 0, 0
      local function litter()
        local p = newproxy(true)
        getmetatable(p).__gc = function()
          local ok, value = pcall(store.get, store, "g" .. asked % 50)
          asked = asked + 1
          if ok and value and not value:find("^g" .. (asked - 1) % 50) then
            wrong = wrong + 1
          end
        end
      end
      for i = 0, 49 do store:get("g" .. i) end
      for i = 1, 3000 do
        litter()
        local value = store:get("g" .. i % 50)
        if not value:find("^g" .. i % 50 .. "%-") then wrong = wrong + 1 end
      end
      return tostring(asked > 1000) .. " " .. wrong
    ]], { value = [[key .. "-" .. ("x"):rep(1000)]] })
    assert.equal("true 0", asked())
  end)

  it("is not counted when its arguments are wrong", function()
    local asked = ask [[
      store:get("a")
      local said = {}
      for i, call in ipairs { function() store:get("a", 0) end, function() store:get("a", {
          timeout = "long" }) end, function() store:get(12) end, function() store.get("a") end } do
        said[i] = tostring(select(2, pcall(call)))
      end
      return table.concat(said, "\n")
    ]]
    local said = asked()
    assert.matches("^[^\n]*group:get: [^\n]*number[^\n]*\n[^\n]*timeout[^\n]*\n"
      .. "[^\n]*group:get: the key is a number[^\n]*\n[^\n]*group:get: the key is a nil", said)
    assert.equal(1, store().gets)
  end)

  it("gets it of the group that it is called for", function()
    local asked = ask [[
      local proxy = setmetatable({ name = "store" }, { __index = store })
      local get = store.get
      local out = {}
      for i = 1, 3 do
        out[i] = get(store, "a") .. proxy:get("a")
      end
      local ok, message = pcall(get, "store", "a")
      out[4] = tostring(ok) .. message
      ok, message = pcall(get, {}, "a")
      out[5] = tostring(ok) .. message
      return table.concat(out, "\n")
    ]]
    assert.equal([[
a-1a-1
a-1a-1
a-1a-1
falsegroup:get: called for a string, and must be for a group
falsegroup:get: called for a table, and must be for a group]], asked())
    assert.equal(6, store().gets)
  end)

  it("is told at its own line that it cannot wait", function()
    local asked = ask [[
      local _, message = coroutine.resume(coroutine.create(function()
        return (store:get(key))
      end))
      return message
    ]]
    assert.matches("node.lua:9: group:get waits, and a coroutine that", asked())
  end)

  it("ends the getter when the value does not fit into the heap, and the VM goes on", function()
    local asked = ask([[ return tostring(#store:get(key)) ]], { vm_bytes = "8MiB",
      store = [[cache_bytes = "256MB", max_value_bytes = "20MB",]],
      value = [[key == "small" and key
        or groupcache.http.request { url = key, as_value = true }.body]] })
    assert.equal("5", asked "small")
    local large = n.url .. "/cache/store/large"
    local res = assert(http.request { url = large, method = "PUT", body = ("x"):rep(9e6) })
    assert.equal(204, res.status)
    for _ = 1, 2 do -- at first the value is loaded
      res = assert(n:get("ask", large))
      assert.same({ 503, true }, { res.status, res.body:find("ran out of memory (vm_bytes)", 1,
        true) ~= nil }, res.body)
    end
    assert.equal("5", asked "small")
    assert.equal(3, store().main.items)
  end)

  it("gets it with a time limit of its own", function()
    local asked = ask [[
      return store:get("a", { timeout = 5 }) .. select(3, store:get("a", { timeout = 5 }))
    ]]
    assert.equal("a-1main", asked())
    assert.equal(2, store().gets)
  end)

  it("gets tables when the group has a codec", function()
    local asked = ask([[ return store:get("a").name .. store:get("a").name ]],
      { store = [[codec = "json",]], value = "{ name = key }" })
    assert.equal("aa", asked())
  end)

  it("gets it in every worker", function()
    local asked = ask([[
      for _ = 1, 50 do store:get("a") groupcache.sleep(0) end
      return store:get("a")
    ]], { workers = "3" })
    local out = {}
    local jobs = {}
    for i = 1, 9 do
      jobs[i] = function() out[i] = asked("w" .. i) end
    end
    http.together(jobs)
    for i = 1, 9 do
      assert.equal(out[1], out[i])
    end
    assert.equal(1, store().local_loads)
    assert.equal(9 * 51, store().gets)
  end)
end)
