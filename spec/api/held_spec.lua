-- SPDX-License-Identifier: MIT

-- A program's hits whose key is known by the address of its string: no old value, and no value of
-- another key, whatever changed in between and whichever strings were collected.

local programs = require "api.program"
local tmp = require "support.tmp"

local says = programs.says

local GROUP = [[{ getter = function(key) return key .. ":origin" end }]]

local SCRIPT = tmp.file([[
  local groupcache = require "groupcache"
  groupcache.group("g", ]] .. GROUP .. [[)
  return { listen = "127.0.0.1:0", workers = 1, http_threads = 1, log_level = "error" }
]], "node.lua")

local PLACES = {
  ["a group alone"] = ([[local g, n = groupcache.group("g", %s) ]]):format(GROUP),
  ["a node's group"] = ([[local n = assert(groupcache.start { script = %q })
    local g = n:group "g" ]]):format(SCRIPT),
}

for name, place in pairs(PLACES) do
  describe("a key of " .. name .. " whose string is made anew at each get", function()
    it("gives its own value, and is counted each time", function()
      says("fine\n200000|199980\n", place .. [[
        for i = 1, 200000 do
          local key = "key" .. i % 20
          assert(g:get(key) == key .. ":origin")
          if i % 5000 == 0 then collectgarbage() end
        end
        say "fine"
        say(n and n:stats().groups.g.gets or 200000, n and n:stats().groups.g.cache_hits or 199980)
        if n then n:close() end
      ]])
    end)

    -- `want` is the model. A value that ends soon may be there, or the origin's, but not again once
    -- the origin's was seen.
    it("gives what a model has after any history of changes, collections and finalizers", function()
      says("fine\n", place .. [[
        math.randomseed(7)
        local want, soon, tagged, changing, finalized = {}, {}, {}, false, 0

        -- A finalizer may run in the getter, and ask for the key that this one loads.
        local function check(is_finalizer)
          local random = math.random(25)
          local key = random > 20 and "some" .. math.random(3000) or "key" .. random
          local value, _, code = g:get(key)
          local origin = key .. ":origin"
          if is_finalizer and code == "CYCLE" then
            return
          end
          if soon[key] and value == origin then
            want[key], soon[key] = nil, nil
          end
          if value ~= (want[key] or origin) then
            error(key .. " has " .. tostring(value) .. ", not " .. (want[key] or origin))
          end
        end

        local function at_some_time()
          getmetatable(newproxy(true)).__gc = function()
            if not changing then
              finalized = finalized + 1
              check(true)
            end
          end
        end

        local function change(i)
          local key, what = "key" .. math.random(20), math.random(100)
          changing = true
          if what <= 2 then
            assert(g:flush())
            want, soon, tagged = {}, {}, {}
          elseif what <= 6 then
            assert(g:remove_tag "tag")
            for tagged_key in pairs(tagged) do
              want[tagged_key], soon[tagged_key] = nil, nil
            end
            tagged = {}
          elseif what <= 40 then
            assert(g:remove(key))
            want[key], soon[key], tagged[key] = nil, nil, nil
          else
            local value = key .. ":" .. i
            want[key], soon[key], tagged[key] = value, what > 90 or nil, what <= 50 or nil
            assert(g:set(key, what <= 50 and { body = value, tags = { "tag" } } or value,
              what > 90 and 0.01 or nil))
          end
          changing = false
        end

        for i = 1, 60000 do
          if i % 3000 < 1500 and i % 30 == 0 then change(i) end
          if i % 100 == 0 then at_some_time() end
          if i % 2000 == 0 then collectgarbage() end
          check()
        end
        assert(finalized > 50, finalized)
        say "fine"
        if n then n:close() end
      ]])
    end)
  end)
end

describe("a key of a group with little room whose string is made anew at each get", function()
  it("gives the newest value after the old one was evicted", function()
    says("fine\n", [[
      math.randomseed(7)
      local loaded = {}
      local g = groupcache.group("g", { cache_bytes = 16384, eviction = "lru",
        getter = function(key)
          loaded[key] = (loaded[key] or 0) + 1
          return key .. ":" .. loaded[key] .. ("x"):rep(300)
        end })
      for i = 1, 100000 do
        local key = "key" .. math.random(i % 2000 < 1000 and 20 or 100)
        local value = g:get(key)
        assert(value:match "^[^x]*" == key .. ":" .. loaded[key])
        if i % 3000 == 0 then collectgarbage() end
      end
      say "fine"
    ]])
  end)
end)
