-- SPDX-License-Identifier: MIT

-- The settings of a node are listed twice: their rules in lua/groupcache/config.lua, and in the
-- headers of the floors that take them, which node/settings.h gathers. The two lists are the same.

local ffi = require "ffi"
local C = require("support.unit").load("node/settings.h")

-- What no floor takes, and why.
local ELSEWHERE = {
  peers = "a list, which a reload changes",
  log_level = "the process's",
  log_format = "the process's",
  peers_wait = "the keeper's, in Lua",
}

local KINDS = {
  integer = { C.SETTING_NUMBER },
  size = { C.SETTING_NUMBER },
  duration = { C.SETTING_NUMBER },
  text = { C.SETTING_TEXT },
  words = { C.SETTING_TEXT },
  enum = { C.SETTING_TEXT, C.SETTING_DIALECT, C.SETTING_HASH },
  boolean = { C.SETTING_FLAG },
}

local function rules()
  local core = package.loaded["groupcache.core"]
  package.loaded["groupcache.core"] = {} -- nothing of it is called
  local config = require "groupcache.config"
  package.loaded["groupcache.core"] = core
  package.loaded["groupcache.config"] = nil
  return config.SETTINGS
end

-- -> { name = { its kinds, one for each list } }
local function in_c()
  local found, i = {}, 0
  while C.settings_at(i) ~= nil do
    local s = C.settings_at(i)
    local name = ffi.string(s.name)
    found[name] = found[name] or {}
    table.insert(found[name], tonumber(s.kind))
    i = i + 1
  end
  return found
end

-- A duration is kept in ms, under a name that says so.
local function name_in_c(name, rule)
  return rule.kind == "duration" and name .. "_ms" or name
end

local function is_one_of(kinds, kind)
  for _, known in ipairs(kinds) do
    if tonumber(known) == kind then
      return true
    end
  end
  return false
end

describe("the settings of a node", function()
  local taken, known = in_c(), {}
  for name, rule in pairs(rules()) do
    known[name_in_c(name, rule)] = { name = name, rule = rule }
  end

  it("are each taken by a floor", function()
    for name, setting in pairs(known) do
      if ELSEWHERE[setting.name] then
        assert.is_nil(taken[name], name .. " is taken, and in the table of exceptions")
      else
        assert.is_truthy(taken[name], name .. " is in no list of the floors")
      end
    end
  end)

  it("have each a rule", function()
    for name in pairs(taken) do
      assert.is_truthy(known[name], name .. " has no rule in config.SETTINGS")
    end
  end)

  it("are of the type that their rule says", function()
    for name, kinds in pairs(taken) do
      local rule = known[name].rule
      for _, kind in ipairs(kinds) do
        assert.is_true(is_one_of(KINDS[rule.kind], kind), ("%s is a %s"):format(name, rule.kind))
      end
    end
  end)

  it("are copied with their texts", function()
    local from, to = ffi.new "struct settings", ffi.new "struct settings"
    local text = "127.0.0.1:0"
    from.listen, from.workers = text, 3
    C.settings_copy(to, from)
    assert.is_true(to.listen ~= from.listen)
    assert.equal(text, ffi.string(to.listen))
    assert.is_true(to.self == nil)
    assert.equal(3, tonumber(to.workers))
    C.settings_deinit(to)
  end)
end)
