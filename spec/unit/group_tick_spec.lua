-- SPDX-License-Identifier: MIT
--
-- Which groups of a node a tick looks at.

jit.off(true, true) -- the engine calls back into Lua

local engine = require "unit.engine"
local C = require("support.unit").load("cache/groups.h", "cache/group.h", "base/clock.h")

local MANY = 2800
local SLICE = MANY / C.GROUPS_TICKS

describe("a tick", function()
  local set, groups

  local function add(opts)
    local g = engine.group(opts)
    assert.equal(1, C.groups_add(set, g.c))
    groups[#groups + 1] = g
    return g
  end

  -- -> how many groups it looked at
  local function tick()
    return tonumber(C.groups_tick(set, C.clock_ms()))
  end

  before_each(function()
    set, groups = C.groups_new(), {}
  end)

  after_each(function()
    for _, g in ipairs(groups) do
      g:ended()
    end
    C.groups_free(set)
  end)

  describe("of many groups", function()
    before_each(function()
      for i = 1, MANY do
        add { name = ("g%05d"):format(i), timeout_ms = 1000 }
      end
      tick() -- sees each new group once
    end)

    it("looks at a fortieth of them when none has anything to do", function()
      for _ = 1, 5 do
        assert.equal(SLICE, tick())
      end
    end)

    it("looks at a group with a load each time, and ends the load at its deadline", function()
      local t = groups[MANY]:get "k"
      for _ = 1, 3 do
        assert.equal(SLICE + 1, tick())
      end
      C.clock_advance(1001)
      tick()
      assert.same({ 1, "TIMEOUT" }, { t.wakes, t.code })
      tick()
      assert.equal(SLICE, tick())
    end)

    it("looks at a group with a load that has ended until its line is in the log", function()
      local g = groups[MANY]
      g:get "k"
      g:fail(g.loads[1], "GETTER", "no source")
      assert.equal(SLICE + 1, tick())
      assert.equal(SLICE, tick())
    end)

    it("frees the items of a flush at once", function()
      local g = groups[MANY]
      g:set("k", "v")
      g:flush()
      assert.is_true(g:stats().flushed_bytes > 0)
      tick()
      assert.equal(0, g:stats().flushed_bytes)
    end)

    it("removes expired items of each within forty ticks", function()
      for i = 1, MANY, 97 do
        groups[i]:set("k", "v", 10)
      end
      C.clock_advance(20000)
      for _ = 1, C.GROUPS_TICKS do
        assert.is_true(tick() <= SLICE + 1)
      end
      for i = 1, MANY, 97 do
        assert.equal(0, groups[i]:stats().main.items)
      end
    end)

    it("does not look at a group that was removed", function()
      local g = groups[MANY]
      g:get "k"
      assert.is_true(C.groups_remove(set, "g02800") == g.c)
      C.group_unref(g.c) -- the set's reference
      for _ = 1, 2 * C.GROUPS_TICKS do
        assert.is_true(tick() <= SLICE)
      end
    end)
  end)

  it("looks at each of a few groups", function()
    for i = 1, 10 do
      add { name = "g" .. i }
    end
    for _ = 1, 3 do
      assert.equal(10, tick())
    end
  end)

  it("looks at a large cache with expiries each time", function()
    for i = 1, 2 * C.GROUPS_SLICE do
      add { name = "g" .. i }
    end
    local g = groups[1]
    for i = 1, 5000 do
      g:set("k" .. i, "v", 3600000)
    end
    for _ = 1, 3 do
      tick()
    end
    local looked = 0
    for _ = 1, 10 do
      looked = looked + tick() - C.GROUPS_SLICE
    end
    assert.is_true(looked >= 5) -- in one tick of two it is in the slice anyway
  end)
end)
