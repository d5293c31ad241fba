-- SPDX-License-Identifier: MIT

-- A reload set cache_bytes to 0, and another one back. The eviction from an empty cache planned
-- trials for no item, so those for the cache began only when it was full.

local engine = require "unit.engine"
local ffi = require "ffi"
local C = engine.C

local BYTES, KEYS, VALUE = 45000, 95, ("v"):rep(300)

local function configure(g, bytes)
  local texts = ffi.new("struct group_texts", "text/plain", "", "", "")
  local opts = ffi.new("struct group_opts[1]", { C.group_opts(g.c) })
  opts[0].cache_bytes = bytes
  C.group_configure(g.c, texts, opts)
end

-- Three phases, each with other keys, which nearly fit. -> the part of gets that hit, in percent
local function hits(g)
  local state, found, gets = 5, 0, 0
  for phase = 1, 3 do
    for _ = 1, 20 * KEYS do
      state = state * 48271 % 2147483647
      local t = g:get(phase .. "-" .. state % KEYS)
      gets = gets + 1
      if t.hit then
        found = found + 1
      else
        g:finish(g.loads[1], VALUE)
      end
      g.started, g.tickets = {}, {}
    end
  end
  g:ended()
  return found / gets * 100
end

describe("an adaptive cache", function()
  local function new()
    return engine.group { cache_bytes = BYTES, eviction = C.EVICT_ADAPTIVE, hot = C.HOT_NEVER }
  end

  it("has nearly as many hits when it had no bytes for a while", function()
    local g = new()
    g:set("before", VALUE)
    configure(g, 0)
    configure(g, BYTES)
    local never, once = hits(new()), hits(g)
    assert(once >= never - 1, ("%.2f, without %.2f"):format(once, never))
  end)
end)
