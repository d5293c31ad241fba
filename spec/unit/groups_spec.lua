-- SPDX-License-Identifier: MIT

jit.off(true, true) -- groups_each calls back into Lua

local ffi = require "ffi"
local C = require("support.unit").load("cache/groups.h", "cache/group.h")

describe("groups", function()
  local gs
  local visited
  local visit = ffi.cast("void (*)(void *, struct group *)", function(arg, g)
    visited[#visited + 1] = ffi.string(C.group_name(g)) .. ffi.string(ffi.cast("char *", arg))
  end)

  local function new(name)
    local opts, loader = ffi.new "struct group_opts", ffi.new "struct loader"
    C.group_opts_init(opts)
    return C.group_new(name, "text/plain", opts, loader)
  end

  local function add(name)
    local g = new(name)
    local added = C.groups_add(gs, g)
    C.group_unref(g)
    return added
  end

  local function find(name)
    local g = C.groups_find(gs, name, #name)
    if g == nil then
      return nil
    end
    local got = ffi.string(C.group_name(g))
    C.group_unref(g)
    return got
  end

  local function each(arg)
    visited = {}
    C.groups_each(gs, visit, ffi.cast("void *", arg or ""))
    return visited
  end

  before_each(function()
    gs = C.groups_new()
  end)

  after_each(function()
    C.groups_free(gs)
  end)

  teardown(function()
    visit:free()
  end)

  it("finds a group by exactly its name", function()
    assert.is_nil(find "a")
    for _, name in ipairs { "b", "a", "ab", "", "z/y", "\255" } do
      assert.equal(1, add(name))
    end
    for _, name in ipairs { "b", "a", "ab", "", "z/y", "\255" } do
      assert.equal(name, find(name))
    end
    for _, name in ipairs { "c", "aa", "A", "abc", "a\0", "z", "\254" } do
      assert.is_nil(find(name))
    end
    local g = C.groups_find(gs, "abc", 2) -- a name need not end where its length does
    assert.equal("ab", ffi.string(C.group_name(g)))
    C.group_unref(g)
  end)

  it("refuses a second group of a name and leaves the first", function()
    local first = new "g"
    assert.equal(1, C.groups_add(gs, first))
    assert.equal(0, add "g")
    local found = C.groups_find(gs, "g", 1)
    assert.is_true(found == first)
    C.group_unref(found)
    C.group_unref(first)
    assert.same({ "g" }, each())
  end)

  it("shows each group in the order of addition", function()
    assert.same({}, each())
    for _, name in ipairs { "m", "z", "a", "k" } do
      add(name)
    end
    assert.same({ "m", "z", "a", "k" }, each())
    assert.same({ "m!", "z!", "a!", "k!" }, each "!") -- with the caller's argument
  end)

  it("keeps a group for its reader when it is gone itself", function()
    add "g"
    local g = C.groups_find(gs, "g", 1)
    C.groups_free(gs)
    gs = nil
    assert.equal("g", ffi.string(C.group_name(g)))
    C.group_unref(g)
  end)

  it("finds each of 10000 groups", function()
    math.randomseed(79)
    local names = {}
    for i = 1, 10000 do
      names[i] = ("%x-%d"):format(math.random(2 ^ 31), i)
      assert(add(names[i]) == 1)
    end
    for _, name in ipairs(names) do
      assert(find(name) == name)
      assert(find(name .. "x") == nil)
    end
    assert.same(names, each())
  end)
end)
