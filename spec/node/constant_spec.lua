-- SPDX-License-Identifier: MIT

-- Values that the first VM of a script makes, and that all VMs read.

local eventually = require "support.eventually"
local node = require "support.node"
local program = require "api.program"
local rig = require "node.rig"
local tmp = require "support.tmp"

local SCRIPT = [[
local groupcache = require "groupcache"
local file = assert(io.open("%s", "a"))
local empty = groupcache.constant(function() return {} end)
local c = groupcache.constant(function()
  file:write "made\n"
  file:flush()
  local own = { deep = { 1, 2, 3 } }
  own.own = own
  return { "one", "two", "three", own = own, again = own, [true] = "yes", [1.5] = "half",
    [-1] = "minus", [0] = "zero", ["nul\0"] = "a\0b", empty = {}, no = false,
    null = groupcache.null }
end)
local text = groupcache.constant(function() return "plain" end)
local zero = 0

local ask = {
  fields = function()
    return table.concat({ c[1], c[2], c[3], tostring(c[4]), c[true], c[1.5], c[-1], c[0],
      c[-zero], #c["nul\0"], tostring(c.no), tostring(c.none), tostring(c[c]), text }, " ")
  end,
  tables = function()
    assert(c.own == c.again and c.own.own.own == c.own and c.own ~= c.own.deep)
    assert(c.null == groupcache.null)
    return #c .. #c.own.deep .. #c.empty .. c.own.own.deep[3]
  end,
  pairs = function()
    local n, list = 0, {}
    assert(groupcache.pairs(c)(c) == 1)
    for key, value in groupcache.pairs(c) do
      assert(c[key] == value)
      n = n + 1
    end
    for i, value in groupcache.ipairs(c) do list[i] = value end
    for _ in groupcache.pairs(empty) do error "it is empty" end
    for i, value in groupcache.ipairs { "plain" } do list[#list + i] = value end
    return n .. table.concat(list)
  end,
  misuse = function()
    local _, a = pcall(function() c.x = 1 end)
    local _, b = pcall(groupcache.constant, function() return 1 end)
    local _, d = pcall(groupcache.constant, 1)
    return a .. ";" .. b .. ";" .. d
  end,
}
groupcache.group("ask", { getter = function(key) return tostring(ask[key]()), nil, 0 end })
]]

-- Each call is made at one line: the inner ones are tail calls.
local NESTED = [[
local groupcache = require "groupcache"
local function half(i) return groupcache.constant(function() return i end) end
local list = {}
for i = 1, 2 do
  list[i] = groupcache.constant(function() return { double = half(i) + half(i) } end)
end
local failed = not pcall(groupcache.constant, function() error "no" end)
local late = groupcache.constant(function() return "late" end)
groupcache.group("ask", { getter = function()
  local all = { list[1].double, list[2].double, late, failed and "no" or "yes" }
  return table.concat(all, " "), nil, 0
end })
]]

local MANY = [[
local t = {}
for i = 1, 20000 do t[i] = { name = "city " .. i, i, i * 2 } end
for i = 1, 20000 do t["key " .. i] = i end
local c = groupcache.constant(function() return t end)
for i = 1, 20000 do
  assert(c[i].name == "city " .. i and c[i][2] == i * 2 and c["key " .. i] == i)
end
local n = 0
for key, value in groupcache.pairs(c) do n = n + (type(value) == "number" and 1 or 0) end
assert(n == 20000 and #c == 20000 and c["key 0"] == nil and c[20001] == nil)
for _, wrong in ipairs { print, { print }, { [{}] = 1 }, { { coroutine.create(print) } } } do
  local ok, err = pcall(groupcache.constant, function() return wrong end)
  assert(not ok and err:find("groupcache.constant: ", 1, true), err)
  say(err:match "constant: (.*)")
end
local deep = {}
for _ = 1, 200 do deep = { deep } end
say(select(2, pcall(groupcache.constant, function() return deep end)):match "nested.*")
say(select(2, pcall(groupcache.constant, function() end)):match "constant: (.*)")
]]

describe("groupcache.constant", function()
  local n, folder

  before_each(function()
    folder = tmp.dir()
  end)

  after_each(function()
    rig.stop(n)
    n = nil
  end)

  local function start(workers)
    n = node.start { script = SCRIPT:format(folder .. "/made"),
      args = { "--workers", workers or 4 } }
  end

  local function ask(key)
    return assert(n:get("ask", key)).body
  end

  it("gives every VM the value that one of them has made", function()
    start()
    assert.are.equal("made\n", tmp.read(folder .. "/made"))
    for _ = 1, 8 do -- whichever VM answers
      assert.are.equal("one two three nil yes half minus zero zero 3 false nil nil plain",
        ask "fields")
      assert.are.equal("3303", ask "tables")
    end
  end)

  it("lets its tables be walked", function()
    start(1)
    assert.are.equal("13onetwothreeplain", ask "pairs")
  end)

  it("is made anew by a reload", function()
    start(2)
    n:signal "SIGHUP"
    eventually(function() return n:logged "reloaded" end, 10, "it has reloaded")
    assert.are.equal("made\nmade\n", tmp.read(folder .. "/made"))
    assert.are.equal("3303", ask "tables")
  end)

  it("is the same in each VM if one is made for another, or failed", function()
    n = node.start { script = NESTED, args = { "--workers", 2 } }
    for _ = 1, 8 do
      assert.are.equal("2 4 late no", ask "fields")
    end
  end)

  it("is not changed, and not made later", function()
    start(1)
    local said = ask "misuse"
    assert.is_truthy(said:find("node.lua:%d+: groupcache.constant: a constant cannot be changed"))
    assert.is_truthy(said:find("to be called while the script runs, not later", 1, true))
    assert.is_truthy(said:find("groupcache.constant: a number, and must be a function", 1, true))
  end)

  it("holds many tables, and refuses what is no data", function()
    assert.are.equal(table.concat({
      "a constant has a function, and may have tables, strings, numbers and booleans",
      "a constant has a function, and may have tables, strings, numbers and booleans",
      "a table is the key of a constant, and may be a value only",
      "a constant has a thread, and may have tables, strings, numbers and booleans",
      "nested in 128 levels at most",
      "the function has returned nil\n",
    }, "\n"), (program.run(MANY)))
  end)
end)
