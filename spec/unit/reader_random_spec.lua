-- SPDX-License-Identifier: MIT

-- Random histories of a group with two readers. What a reader gives, or says is at a place, is what
-- the group holds of the key at that moment; and no hit is lost or counted twice.

jit.off(true, true) -- the group calls back into Lua

local ffi = require "ffi"
local engine = require "unit.engine"
local C = engine.C

local KEYS, STEPS, READERS = 60, 1000, 2

describe("what a reader gives", function()
  local g, readers, keys, gets, hits

  -- A key whose bytes stay at their address.
  local function key_of(i, place)
    local text = ("key-%d"):format(i)
    return { text = text, bytes = ffi.new("char[?]", #text + 1, text), place = place }
  end

  local function begin(opts)
    opts.hot = C.HOT_ALWAYS
    opts.owner = function(key) return tonumber(key:match "%d+") % 5 == 0 end
    g = engine.group(opts)
    readers, keys, gets, hits = {}, {}, 0, 0
    for i = 1, KEYS do
      keys[i] = key_of(i)
    end
    for i = 1, READERS do
      readers[i] = { c = g:reader(true), copies = {}, age = 0 }
    end
  end

  local function finish()
    for _, r in ipairs(readers) do
      C.reader_free(r.c)
    end
    g:ended()
  end

  -- As the binding does it: copies that are of no use any more are dropped.
  local function drop_left(r)
    if r.age ~= C.reader_age(r.c) then
      r.age, r.copies = C.reader_age(r.c), {}
      C.reader_hold_none(r.c)
    end
    if C.reader_left(r.c) > 3 then
      r.copies[C.reader_take_left(r.c)] = nil
    end
  end

  local function check(key, value, source)
    local now, from = g:peek(key.text)
    assert.same({ now, from }, { value, source }, key.text)
  end

  local function recall(r, key, hold)
    local found = ffi.new "struct recalled"
    gets = gets + 1
    local hit = tonumber(C.reader_recall(r.c, key.bytes, #key.text, found))
    if hit == C.HIT_NONE then
      local _, source = g:peek(key.text)
      assert.is_true(source == nil or source == "stale", key.text)
      return
    end
    hits = hits + 1
    local value = ffi.string(C.item_value(found.item), found.item.value_len)
    check(key, value, ffi.string(C.source_name(found.source)))
    if hit == C.HIT_SAME then
      assert.is_true(found.place >= 0)
    end
    if hit == C.HIT_OTHER then
      drop_left(r)
    end
    if found.place >= 0 then
      if hit == C.HIT_SAME and r.copies[found.place] then
        assert.equal(value, r.copies[found.place])
      end
      r.copies[found.place] = value
      if hold then
        C.reader_hold(r.c, nil)
      end
    end
    C.reader_let_go(r.c)
  end

  local function recall_held(r, key)
    local place = C.reader_recall_held(r.c, key.bytes)
    if place < 0 then
      return 0
    end
    gets, hits = gets + 1, hits + 1
    check(key, r.copies[place], "main")
    return 1
  end

  local function load(key)
    local t = g:load(key.text)
    local l = g.loads[1]
    if l then
      g:finish(l, key.text .. "-" .. math.random(1e9), math.random(3) == 1
        and C.clock_ms() + 5000 or 0)
    end
    hits = hits + (t.now and t.value and 1 or 0) -- a load looks first, and counts what it finds
  end

  local changes = {
    function(key) g:set(key.text, key.text .. "-" .. math.random(1e9)) end,
    function(key) g:set(key.text, ("x"):rep(math.random(400)), 3000) end,
    load,
    load,
    function(key) g:remove(key.text) end,
    function() if math.random(10) == 1 then g:flush() end end,
    function() C.clock_advance(math.random(1500)) end,
    function()
      if math.random(10) == 1 then
        C.reader_forget_all(readers[math.random(READERS)].c)
      end
    end,
    function()
      for i = 1, math.random(20) do
        g:set("other" .. i, "v")
      end
    end,
    function() g:tick() end,
  }

  local function run(opts)
    local held = 0
    begin(opts)
    for _ = 1, STEPS do
      changes[math.random(#changes)](keys[math.random(KEYS)])
      for _ = 1, math.random(40) do
        local r = readers[math.random(READERS)]
        local key = keys[math.random(math.random(KEYS))]
        if math.random(3) == 1 then
          recall(r, key, math.random(4) > 1)
        else
          held = held + recall_held(r, key)
        end
      end
    end
    local s = g:stats()
    assert.same({ gets, hits }, { s.gets, s.cache_hits })
    finish()
    return held
  end

  for name, eviction in pairs { lru = C.EVICT_LRU, sieve = C.EVICT_SIEVE,
    adaptive = C.EVICT_ADAPTIVE } do
    it("is what the group holds, with " .. name, function()
      local seed = 91
      math.randomseed(seed)
      for _, bytes in ipairs { 3000, 12000, 1000000 } do
        local ok, err = pcall(run, { eviction = eviction, cache_bytes = bytes })
        assert(ok, ("seed %d, cache_bytes %d: %s"):format(seed, bytes, tostring(err)))
        assert.is_true(err > 100, "few gets by an address")
      end
    end)
  end
end)
