-- SPDX-License-Identifier: MIT

-- A getter was stopped inside its first require of a module, at its deadline or for memory. All
-- later getters of its VM got "loop or previous error loading module". So did a module that threw.
-- The next getter loads it.

local cjson = require "cjson"
local node = require "support.node"
local rig = require "node.rig"
local tmp = require "support.tmp"

describe("a module whose first load was cut short", function()
  local n

  setup(function()
    local dir = tmp.dir()
    tmp.write(dir .. "/slow.lua", "while SLOW do end return { v = 'loaded' }")
    tmp.write(dir .. "/big.lua", [[
      local t = {}
      while BIG do t[#t + 1] = ("x"):rep(1000) .. #t end
      return { v = "loaded" }
    ]])
    tmp.write(dir .. "/bad.lua", "if BAD then error 'no server yet' end return { v = 'loaded' }")
    tmp.write(dir .. "/deep.lua", "return require 'slow'")
    tmp.write(dir .. "/wraps.lua", [[
      return coroutine.wrap(function() return select(2, pcall(require, "wraps")) end)()
    ]])
    tmp.write(dir .. "/ring.lua", "return require 'ring'")
    tmp.write(dir .. "/wrong.lua", "return (")
    local path = ("package.path = %q .. package.path\n"):format(dir .. "/?.lua;")
    n = node.start { args = { "--workers", 1 }, script = path .. [[
      local groupcache = require "groupcache"
      local early, why = pcall(require, "bad_at_first")
      groupcache.group("g", { timeout = 0.3, getter = function(key)
        local name, flag = key:match "^(%w+)/(%w*)"
        SLOW, BIG, BAD = flag == "SLOW", flag == "BIG", flag == "BAD"
        return require(name).v
      end })
      groupcache.group("early", { getter = function()
        package.preload.bad_at_first = function() return { v = "there" } end
        return tostring(early) .. " " .. require("bad_at_first").v
      end })
      groupcache.group("said", { getter = function(key)
        return tostring(select(2, pcall(function() local m = require(key) return m end)))
      end })
    ]] }
  end)

  teardown(function()
    rig.stop(n)
  end)

  -- Status and value, or error.
  local function get(key)
    local res = assert(n:get("g", key, { timeout = 10 }))
    return res.status, res.status == 200 and res.body or cjson.decode(res.body).error
  end

  it("is loaded by the next getter", function()
    for _, case in ipairs { { "slow", "SLOW", 504 }, { "big", "BIG", 503 }, { "bad", "BAD", 502 },
      { "deep", "", 200 } } do
      local name, flag, status = unpack(case)
      local first = get(name .. "/" .. flag)
      assert.is_true(first == status or first == 504, name .. first)
      for i = 1, 3 do
        assert.same({ 200, "loaded" }, { get(name .. "/" .. ("x"):rep(i)) })
      end
    end
  end)

  it("is loaded by the next getter when the stop was deep in it", function()
    rig.reload { n }
    assert.equal(504, (get "deep/SLOW"))
    assert.same({ 200, "loaded" }, { get "deep/then" })
    assert.same({ 200, "loaded" }, { get "slow/then" })
  end)

  it("may fail as the script is read, and come later", function()
    assert.equal("false there", assert(n:get("early", "k")).body)
  end)

  it("is still refused when it asks for itself, and errors name the line", function()
    for key, said in pairs { ring = "loop or previous error loading module 'ring'",
      wraps = "loop or previous error loading module 'wraps'",
      missing = "node.lua:%d+: module 'missing' not found",
      wrong = "error loading module 'wrong'" } do
      assert.matches(said, assert(n:get("said", key)).body, key)
    end
  end)
end)
