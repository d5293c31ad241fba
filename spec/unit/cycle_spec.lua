-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load "cache/cycle.h"

describe("cycle", function()
  local nodes, edges, used

  before_each(function()
    nodes, edges, used = ffi.new "struct cycle_node[2000]", ffi.new "struct cycle_edge[2000]", 0
    for i = 0, 1999 do
      C.cycle_init(nodes + i)
      edges[i].link.next, edges[i].link.prev = edges[i].link, edges[i].link
    end
  end)

  after_each(function()
    for i = 0, 1999 do
      C.cycle_clear(nodes + i)
    end
  end)

  -- Whether node `from` may wait for node `to`, and the edge.
  local function wait(from, to)
    local edge = edges + used
    used = used + 1
    return C.cycle_add(edge, nodes + from, nodes + to) == 1, edge
  end

  it("lets loads wait for each other in any shape that has no circle", function()
    assert.is_true(wait(1, 2))
    assert.is_true(wait(1, 3))
    assert.is_true(wait(2, 4))
    assert.is_true(wait(3, 4))
    assert.is_true(wait(1, 4))
  end)

  it("refuses one that waits for itself", function()
    assert.is_false(wait(1, 1))
  end)

  it("refuses what would close a circle, near or far", function()
    assert.is_true(wait(1, 2))
    assert.is_false(wait(2, 1))
    assert.is_true(wait(2, 3))
    assert.is_true(wait(2, 4))
    assert.is_true(wait(4, 5))
    assert.is_false(wait(5, 1))
    assert.is_true(wait(5, 3))
  end)

  it("forgets a wait that has ended, and all of a node", function()
    local _, edge = wait(1, 2)
    C.cycle_del(edge)
    assert.is_true(wait(2, 1))
    C.cycle_clear(nodes + 2)
    assert.is_true(wait(1, 2))
  end)

  it("lets go of a wait that was refused, or never began", function()
    assert.is_true(wait(1, 2))
    local ok, edge = wait(2, 1)
    assert.is_false(ok)
    C.cycle_del(edge)
    C.cycle_del(edges + 1999)
    assert.is_false(wait(2, 1))
  end)

  it("takes a chain that is too long for a circle", function()
    for i = 0, 1000 do
      assert.is_true(wait(i, i + 1))
    end
    assert.is_false(wait(1999, 0))
  end)
end)
