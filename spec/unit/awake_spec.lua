-- SPDX-License-Identifier: MIT

jit.off(true, true) -- awake_take calls back into Lua

local ffi = require "ffi"
local C = require("support.unit").load("cache/awake.h")

describe("awake groups", function()
  local a, links, held
  local hold = ffi.cast("void (*)(struct awake_link *)", function(l)
    held[#held + 1] = l.on == 1 and tonumber(l - links)
      or "late" -- whoever finds it in no list may free it
  end)

  local function due()
    held = {}
    local list, l = {}, C.awake_take(a, hold)
    while l ~= nil do
      list[#list + 1] = tonumber(l - links)
      l = C.awake_take(a, hold)
    end
    assert.same(list, held) -- each was held as it was taken
    return list
  end

  before_each(function()
    a, links = ffi.new "struct awake", ffi.new "struct awake_link[4]"
    C.awake_init(a)
    for i = 0, 3 do
      C.awake_link_init(links + i)
    end
  end)

  after_each(function()
    C.awake_deinit(a)
  end)

  teardown(function()
    hold:free()
  end)

  it("are due in the next tick, once each, in the order in which they were added", function()
    for _, i in ipairs { 2, 0, 2, 3 } do
      C.awake_add(a, links + i)
    end
    assert.same({}, due())
    C.awake_begin(a)
    assert.same({ 2, 0, 3 }, due())
    C.awake_begin(a)
    assert.same({}, due())
  end)

  it("that are added in a tick are due in the one after it", function()
    C.awake_add(a, links)
    C.awake_begin(a)
    assert.same({ 0 }, due())
    C.awake_add(a, links)
    assert.same({}, due())
    C.awake_begin(a)
    assert.same({ 0 }, due())
  end)

  it("that are removed are not due, and may be added again", function()
    C.awake_add(a, links)
    C.awake_add(a, links + 1)
    C.awake_remove(a, links)
    C.awake_begin(a)
    C.awake_remove(a, links + 1)
    C.awake_remove(a, links + 2) -- was never added
    assert.same({}, due())
    C.awake_add(a, links + 1)
    C.awake_begin(a)
    assert.same({ 1 }, due())
  end)
end)
