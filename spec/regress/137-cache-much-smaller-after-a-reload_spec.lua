-- SPDX-License-Identifier: MIT

-- The table of a cache with many small items takes a tenth of its bytes, and did not shrink. If a
-- reload made cache_bytes sixteen times smaller, the table alone was larger. Nothing was kept then.

jit.off(true, true) -- the group calls back into Lua

local ffi = require "ffi"
local engine = require "unit.engine"
local C = engine.C

local BYTES, ITEMS = 3e6, 40000

describe("a cache whose cache_bytes become much less", function()
  for name, eviction in pairs { lru = C.EVICT_LRU, sieve = C.EVICT_SIEVE,
    adaptive = C.EVICT_ADAPTIVE } do
    it("keeps the newest items in these bytes, with " .. name, function()
      for _, times in ipairs { 16, 100 } do
        local g = engine.group { cache_bytes = BYTES, eviction = eviction }
        for i = 1, ITEMS do
          g:set("key" .. i, "v")
        end
        local o = C.group_opts(g.c)
        local full = g:stats().main.items
        o.cache_bytes = BYTES / times
        C.group_configure(g.c, ffi.new("struct group_texts", "text/plain", "", "", ""), o)
        local kept = g:stats().main
        assert.is_true(kept.items > full / times / 2, ("%d of %d"):format(kept.items, full))
        assert.is_true(kept.bytes <= o.cache_bytes)
        for i = 1, 2000 do
          g:set("new" .. i, "v" .. i)
          assert.equal("v" .. i, (g:peek("new" .. i)))
        end
        kept = g:stats().main
        assert.is_true(kept.items > full / times / 2, ("%d of %d"):format(kept.items, full))
        assert.is_true(kept.bytes <= o.cache_bytes)
        for i = 1, ITEMS do -- each is found, or was counted as evicted
          kept.items = kept.items - (g:peek("key" .. i) and 1 or 0)
                       - (i <= 2000 and g:peek("new" .. i) and 1 or 0)
        end
        assert.equal(0, kept.items)
        g:ended()
      end
    end)
  end
end)
