-- SPDX-License-Identifier: MIT

-- /recent read the clock, and then the loads of a group: a load that had ended in between was
-- 18446744073709551615 ms ago.

jit.off(true, true) -- the group calls back into Lua

local engine = require "unit.engine"
local ffi = require "ffi"
local unit = require "support.unit"
local C = engine.C

unit.load("node/node_seen.h", "node/node_view.h", "cache/groups.h", "base/buf.h")

describe("a load that ends after /recent has read the clock", function()
  it("has ended just now", function()
    local g, groups, out = engine.group {}, C.groups_new(), ffi.new "struct buf"
    local view = ffi.new("struct node_view", { groups = groups })
    assert.equal(1, C.groups_add(groups, g.c))
    for i, took_ms in ipairs { 300, 200, 100 } do -- the slowest is not the latest
      g:get("slow" .. i)
      C.flight_begins(g.loads[1].flight)
      C.clock_advance(took_ms)
      g:finish(g.loads[1], "v")
    end
    g:get "bad"
    g:fail(g.loads[1], "GETTER")
    C.clock_advance(0ULL - 50ULL) -- back to before the last of them
    C.buf_init(out, 0)
    C.node_seen_put_recent(view, out)
    local text = ffi.string(out.data, out.len)
    C.buf_deinit(out)
    C.groups_free(groups)
    g:ended()
    local n = 0
    for ago in text:gmatch '"ago_ms":(%d+)' do
      n = n + 1
      assert.is_true(tonumber(ago) < 1000, text)
    end
    assert.equal(4, n, text)
  end)
end)
