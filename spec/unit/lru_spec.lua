-- SPDX-License-Identifier: MIT

local bit = require "bit"
local expires_ms = require "unit.expires_ms"
local ffi = require "ffi"
local key_ref = require "unit.key_ref"
local unit = require "support.unit"
local C = unit.load("cache/lru.h", "base/hash.h", "base/mem.h")

-- The polynomial of the CRC-32, shifted, changes no CRC. So the sums of 20 such patterns are a
-- million keys of 64 bytes with one CRC. Gives them one after another: each differs by a pattern.
local function colliding()
  local POLY, PLACES, patterns = 0x04c11db7, 20, {}
  for place = 1, PLACES do
    local bytes = ffi.new "uint8_t[64]"
    for j = 0, 32 do
      if j == 0 or bit.band(bit.rshift(POLY, 32 - j), 1) == 1 then
        local k = (place - 1) * 23 + j
        bytes[math.floor(k / 8)] = bit.bxor(bytes[math.floor(k / 8)], bit.lshift(1, k % 8))
      end
    end
    patterns[place] = bytes
  end
  local key, i = ffi.new "uint8_t[64]", 0
  return function()
    i = i + 1
    local place, n = 1, i -- that of the lowest 1: a Gray code
    while n % 2 == 0 do
      place, n = place + 1, n / 2
    end
    local words = ffi.cast("uint64_t *", key)
    local pattern = ffi.cast("uint64_t *", patterns[place])
    for w = 0, 7 do
      words[w] = bit.bxor(words[w], pattern[w])
    end
    return ffi.string(key, 64)
  end
end

local function hash_of(key)
  return C.hash_crc32(key, #key)
end

describe("lru", function()
  local l, stats

  local function new(key, value, hash)
    return C.item_new(key_ref(key, hash or hash_of(key)), value, #value, 0)
  end

  local function put(key, value)
    local displaced = C.lru_put(l, new(key, value or key))
    if displaced == nil then
      return nil
    end
    local old = ffi.string(C.item_value(displaced), displaced.value_len)
    assert.equal(1, displaced.refs) -- ours now
    C.item_unref(displaced)
    return old
  end

  local function value_of(it)
    return it ~= nil and ffi.string(C.item_value(it), it.value_len) or nil
  end

  local function get(key)
    return value_of(C.lru_get(l, key_ref(key, hash_of(key))))
  end

  -- Walks over all items, some at a time -> how often each key was found
  local function walk(max, meanwhile)
    local at, out, seen = ffi.new "size_t[1]", ffi.new("struct item *[?]", max), {}
    repeat
      local n = tonumber(C.lru_walk(l, at, out, max))
      assert.is_true(n <= max)
      for i = 0, n - 1 do
        local key = ffi.string(C.item_key(out[i]), out[i].key_len)
        seen[key] = (seen[key] or 0) + 1
      end
      if meanwhile then
        meanwhile()
      end
    until at[0] == -1ULL
    return seen
  end

  it("is walked over, and each item is found", function()
    for i = 1, 500 do
      put("k" .. i)
    end
    for _, max in ipairs { 64, 7, 1000 } do
      local seen, n = walk(max), 0
      for i = 1, 500 do
        n = n + (seen["k" .. i] and 1 or 0)
      end
      assert.equal(500, n)
    end
  end)

  it("is walked over, and each item is found once, however far the table has grown", function()
    for n = 1, 400 do
      put("k" .. n)
      local seen = walk(7)
      for i = 1, n do
        local times = seen["k" .. i]
        assert(times == 1, ("%d items: k%d was found %s times"):format(n, i, times))
      end
    end
  end)

  it("is walked over while it grows: what was there throughout is found", function()
    for i = 1, 200 do
      put("k" .. i)
    end
    local more = 0
    local seen = walk(16, function()
      for _ = 1, more < 2000 and 40 or 0 do
        more = more + 1
        put("new" .. more)
      end
    end)
    for i = 1, 200 do
      assert.is_true(seen["k" .. i] ~= nil, i)
    end
  end)

  local function peek(key)
    return value_of(C.lru_peek(l, key_ref(key, hash_of(key))))
  end

  local function taken(it)
    if it == nil then
      return nil
    end
    local key = ffi.string(C.item_key(it), it.key_len)
    assert(it.refs == 1 and it.chain == nil)
    C.item_unref(it)
    return key
  end

  local function del(key)
    return taken(C.lru_del(l, key_ref(key, hash_of(key))))
  end

  local function pop()
    return taken(C.lru_evict(l, 0))
  end

  local function count(name)
    C.lru_stats(l, stats)
    return tonumber(stats[name])
  end

  before_each(function()
    l, stats = C.lru_new(), ffi.new "struct lru_stats"
  end)

  after_each(function()
    C.mem_fail_after(-1)
    C.lru_free(l)
  end)

  it("gives out the oldest first; a get makes an item the newest", function()
    for _, key in ipairs { "a", "b", "c", "d" } do
      put(key)
    end
    assert.equal("a", get "a")
    assert.equal("d", get "d")
    local order = { pop(), pop(), pop(), pop() }
    assert.same({ "b", "c", "a", "d" }, order)
    assert.is_nil(pop())
  end)

  it("does not move or count what is only looked at", function()
    put "a"
    put "b"
    assert.equal("a", peek "a")
    assert.is_nil(peek "x")
    assert.equal(0, count "gets")
    assert.equal("a", pop())
  end)

  it("counts gets, hits and evictions", function()
    put "a"
    put "b"
    get "a"
    get "x"
    get "a"
    pop()
    del "a"
    pop() -- there is nothing left to evict
    assert.equal(3, count "gets")
    assert.equal(2, count "hits")
    assert.equal(1, count "evictions")
    assert.equal(0, count "items")
  end)

  it("counts a get of what turns out to be of no use as a miss", function()
    put "a"
    get "a"
    get "a"
    C.lru_get_missed(l)
    assert.equal(2, count "gets")
    assert.equal(1, count "hits")
  end)

  describe("with items whose time can end", function()
    local function put_until(expires, from, to)
      for i = from, to do
        local key = "k" .. i
        C.item_unref(C.lru_put(l, C.item_new(key_ref(key, hash_of(key)), key, #key, expires)))
      end
    end

    -- The keys on a list of items, which are given up.
    local function keys_on(list)
      local keys = {}
      while list.next ~= list do
        local it = ffi.cast("struct item *",
          ffi.cast("char *", list.next) - ffi.offsetof("struct item", "order"))
        keys[ffi.string(C.item_key(it), it.key_len)] = true
        keys[#keys + 1] = true
        list.next = it.order.next
        C.item_unref(it)
      end
      return keys
    end

    local function empty_list()
      local list = ffi.new "struct list"
      list.prev, list.next = list, list
      return list
    end

    -- Sweeps n buckets of what is over at `now`. -> keys, buckets looked at
    local function sweep(n, now)
      local out = empty_list()
      local over = ffi.cast("int (*)(void *, const struct item *)", function(_, it)
        return (expires_ms(it) or math.huge) <= now and 1 or 0
      end)
      local seen = C.lru_sweep(l, n, over, nil, out)
      over:free()
      return keys_on(out), tonumber(seen)
    end

    it("counts them", function()
      put_until(0, 1, 10)
      assert.equal(0ULL, C.lru_mortals(l))
      put_until(50, 6, 15)
      assert.equal(10ULL, C.lru_mortals(l))
      del "k6"
      pop()
      assert.equal(9ULL, C.lru_mortals(l))
    end)

    it("comes round to each of them once, however many buckets at a time", function()
      put_until(50, 1, 1000)
      put_until(0, 1001, 2000)
      put_until(100, 2001, 3000)
      local gone, rounds = 0, 0
      repeat
        local keys, seen = sweep(100, 60)
        assert.equal(100, seen)
        gone, rounds = gone + #keys, rounds + seen
      until rounds >= tonumber(C.lru_buckets(l))
      assert.equal(1000, gone)
      assert.equal(2000, count "items")
      assert.is_nil(peek "k1000")
      assert.equal("k1001", peek "k1001")
    end)

    it("looks at no bucket twice in one sweep", function()
      put_until(50, 1, 10)
      local keys, seen = sweep(1e6, 50)
      assert.equal(10, #keys)
      assert.equal(tonumber(C.lru_buckets(l)), seen)
    end)

    it("sweeps while its table grows", function()
      for i = 1, 5000 do
        put_until(i % 2 == 0 and 50 or 0, i, i)
        if i % 7 == 0 then
          sweep(3, 50)
        end
      end
      sweep(1e6, 50)
      sweep(1e6, 50)
      assert.equal(2500, count "items")
      assert.equal(0ULL, C.lru_mortals(l))
    end)

    it("is emptied at once, tables and all, and goes on", function()
      put_until(50, 1, 3000)
      get "k1"
      local spare, out, bytes = C.lru_new(), empty_list(), count "bytes"
      assert.is_true(C.lru_clear(l, spare, out) < bytes)
      assert.equal(0, count "items")
      assert.is_true(count "bytes" < 2000)
      assert.equal(1, count "hits")
      assert.equal(0ULL, C.lru_mortals(l))
      C.lru_free(spare)
      assert.equal(3000, #keys_on(out))
      assert.is_nil(get "k1")
      put_until(0, 1, 100)
      assert.equal("k1", get "k1")
    end)
  end)

  -- Two items of one size may differ in cost: glibc hands out a free chunk that is 16 bytes larger
  -- as a whole. The holes are such chunks.
  it("gives back what a put displaces, and counts its bytes once", function()
    local value = ("a"):rep(1000)
    local empty = count "bytes"
    local function cost()
      return tonumber(C.item_cost(C.lru_peek(l, key_ref("k", hash_of "k"))))
    end
    put("k", value)
    local one = count "bytes"
    local holes, fences = {}, {}
    for i = 1, 20 do
      holes[i], fences[i] = C.mem_alloc(cost() + 8), C.mem_alloc(2000)
    end
    for i = 1, 20 do
      C.mem_free(holes[i])
    end
    for _ = 1, 50 do
      assert.equal(value, put("k", value))
      assert.equal(empty + cost(), count "bytes")
    end
    for i = 1, 20 do
      C.mem_free(fences[i])
    end
    assert.equal(1, count "items")
    assert.equal(0, count "evictions")
    assert.is_not_nil(put("k", ""))
    assert.is_true(count "bytes" < one)
    del "k"
    assert.equal(empty, count "bytes")
  end)

  it("makes what is put again the newest", function()
    put "a"
    put "b"
    put("a", "again")
    assert.equal("b", pop())
    assert.equal("again", get "a")
  end)

  it("tells keys apart that hash alike", function()
    for i = 1, 500 do
      assert.is_true(C.lru_put(l, new("k" .. i, "v" .. i, 42)) == nil)
    end
    for i = 1, 500 do
      local key = "k" .. i
      assert.equal("v" .. i, value_of(C.lru_get(l, key_ref(key, 42))))
    end
    assert.is_true(C.lru_get(l, key_ref("k501", 42)) == nil)
    assert.equal("k1", taken(C.lru_del(l, key_ref("k1", 42))))
    assert.is_true(C.lru_peek(l, key_ref("k1", 42)) == nil)
    assert.equal(499, count "items")
  end)

  it("keys may be empty or hold NUL bytes", function()
    put("", "none")
    put("\0", "one")
    put("\0\0", "two")
    assert.equal("none", get "")
    assert.equal("one", get "\0")
    assert.equal("two", get "\0\0")
  end)

  it("grows in steps: several puts, never one, move the whole table", function()
    local items, steps, in_growth, longest = 0, 0, 0, 0
    local index = count "bytes"
    local first = index
    for i = 1, 20000 do
      local it = new("key" .. i, "v")
      items = items + tonumber(C.item_cost(it))
      C.lru_put(l, it)
      local now = count "bytes" - items -- what is not items is the index
      if now > index then -- a larger table stands beside the old one
        assert.equal(0, in_growth)
        steps, in_growth = steps + 1, 1
      elseif now < index then -- the old one is gone
        longest, in_growth = math.max(longest, in_growth), 0
      elseif in_growth > 0 then
        in_growth = in_growth + 1
      end
      index = now
    end
    assert.is_true(steps > 3)
    assert.is_true(index > first)
    assert.is_true(longest > 100)
    for i = 1, 20000 do
      assert(peek("key" .. i) == "v")
    end
  end)

  it("costs at most 80 bytes an entry of 12 + 100 bytes, however many there are", function()
    local value = ("v"):rep(100)
    for i = 1, 10000 do
      put(("k%011d"):format(i), value)
      local each = tonumber(C.lru_bytes(l)) / i - 112
      assert(i < 1000 or each < 80.1, ("%d entries: %.1f bytes each"):format(i, each))
    end
  end)

  it("finds every key at every moment of its growth", function()
    for i = 1, 700 do
      put("key" .. i)
      for k = 1, i do
        local key = "key" .. k
        assert(peek(key) == key)
      end
    end
  end)

  it("works on with longer chains when there is no memory to grow", function()
    local items = {}
    for i = 1, 1000 do
      items[i] = new("key" .. i, "v")
    end
    local index = count "bytes"
    for i = 1, 1000 do
      C.mem_fail_after(0)
      C.lru_put(l, items[i])
      index = index + tonumber(C.item_cost(items[i]))
    end
    C.mem_fail_after(-1)
    assert.equal(index, count "bytes") -- the table is still the first
    for i = 1, 1000 do
      assert(get("key" .. i) == "v")
    end
    put "one more"
    assert.is_true(count "bytes" > index + 64) -- and grows when it may again
    for i = 1, 1000 do
      assert(get("key" .. i) == "v")
    end
  end)

  it("gives up its items when it ends", function()
    local it = C.item_ref(new("k", "v"))
    C.lru_put(l, it)
    C.lru_free(l)
    l = nil
    assert.equal(1, it.refs)
    C.item_unref(it)
  end)

  local OPERATIONS = unit.rounds(100000)

  it(("does what a plain list does, over %d random operations"):format(OPERATIONS), function()
    math.randomseed(41)
    -- The model: a doubly linked list around a sentinel, and a table by key.
    local head = {}
    head.next, head.prev = head, head
    local by_key, n, gets, hits, evictions, bytes = {}, 0, 0, 0, 0, 0
    local index = count "bytes"

    local function unlink(e)
      e.prev.next, e.next.prev = e.next, e.prev
    end

    local function push(e)
      e.prev, e.next = head, head.next
      head.next.prev, head.next = e, e
    end

    local function forget(e)
      unlink(e)
      by_key[e.key], n, bytes = nil, n - 1, bytes - e.cost
    end

    local weights = { put = 40 } -- first more is put than taken, then the other way round
    for i = 1, OPERATIONS do
      if i % (OPERATIONS / 10) == 0 then
        weights.put = weights.put == 40 and 10 or 40
      end
      local key, what = "key" .. math.random(5000), math.random(100)
      local e = by_key[key]
      if what <= weights.put then
        local value = ("v"):rep(math.random(0, 60)) .. i
        local item = new(key, value)
        local cost = tonumber(C.item_cost(item))
        local displaced = C.lru_put(l, item)
        assert(value_of(displaced) == (e and e.value))
        C.item_unref(displaced)
        if e then
          forget(e)
        end
        by_key[key] = { key = key, value = value, cost = cost }
        push(by_key[key])
        n, bytes = n + 1, bytes + cost
      elseif what <= 70 then
        assert(get(key) == (e and e.value))
        gets, hits = gets + 1, hits + (e and 1 or 0)
        if e then
          unlink(e)
          push(e)
        end
      elseif what <= 80 then
        assert(peek(key) == (e and e.value))
      elseif what <= 90 then
        assert(del(key) == (e and e.key))
        if e then
          forget(e)
        end
      else
        local oldest = head.prev ~= head and head.prev or nil
        assert(pop() == (oldest and oldest.key))
        if oldest then
          forget(oldest)
          evictions = evictions + 1
        end
      end
      if i % 100 == 0 then
        C.lru_stats(l, stats)
        assert(stats.items == n and stats.gets == gets and stats.hits == hits)
        assert(stats.evictions == evictions)
        assert(stats.bytes == C.lru_bytes(l))
        assert(tonumber(stats.bytes) >= bytes + index) -- the index only grows
      end
    end
    while head.prev ~= head do -- the order of the whole
      local oldest = head.prev
      assert(pop() == oldest.key)
      forget(oldest)
    end
    assert.is_nil(pop())
    assert.equal(0, count "items")
  end)

  describe("with SIEVE", function()
    before_each(function()
      C.lru_set_eviction(l, C.EVICT_SIEVE)
    end)

    local function put_all(keys)
      for key in keys:gmatch "%S" do
        put(key)
      end
    end

    -- The keys that go, one by one.
    local function gone(n)
      local keys = {}
      for i = 1, n do
        keys[i] = pop()
      end
      return table.concat(keys)
    end

    it("takes the oldest first, when none was asked for", function()
      put_all "abcde"
      assert.equal("abcde", gone(5))
      assert.is_nil(pop())
    end)

    it("spares what was asked for once, and forgets that it did", function()
      put_all "abcd"
      get "a"
      get "c"
      assert.equal("bdac", gone(4))
    end)

    it("goes on with its walk where it was, past what has come meanwhile", function()
      put_all "abcd"
      get "a"
      assert.equal("b", pop())
      put_all "ef"
      get "a" -- behind the hand: safe for a whole round
      assert.equal("cdefa", gone(5))
    end)

    it("does not lose its place when that is taken out", function()
      put_all "abcd"
      get "a"
      assert.equal("b", pop()) -- c is next
      del "c"
      assert.equal("da", gone(2))
    end)

    it("walks round once when all were asked for", function()
      put_all "abc"
      for _, key in ipairs { "a", "b", "c" } do
        get(key)
      end
      assert.equal("abc", gone(3))
    end)

    it("moves nothing on a get, and may be switched off", function()
      put_all "abc"
      get "a"
      C.lru_set_eviction(l, C.EVICT_LRU)
      assert.equal("a", pop())
      get "b"
      assert.equal("cb", gone(2))
    end)

    it(("does what its description says, over %d random operations"):format(OPERATIONS), function()
      math.randomseed(43)
      -- The model: a list of entries from the oldest to the newest, and the place of the hand.
      local list, hand = {}, 1
      local function place(key)
        for i, e in ipairs(list) do
          if e.key == key then
            return i
          end
        end
      end
      local function remove(i)
        table.remove(list, i)
        if hand > i then
          hand = hand - 1
        end
        hand = hand > #list and 1 or hand -- past the newest: with the oldest again
      end
      for i = 1, OPERATIONS do
        local key, what = "k" .. math.random(60), math.random(10)
        local at = place(key)
        if what <= 4 then
          put(key)
          if at then
            remove(at)
          end
          list[#list + 1] = { key = key }
        elseif what <= 7 then
          assert((get(key) ~= nil) == (at ~= nil))
          if at then
            list[at].visited = true
          end
        elseif what == 8 then
          assert((del(key) ~= nil) == (at ~= nil))
          if at then
            remove(at)
          end
        elseif list[1] then
          while list[hand].visited do
            list[hand].visited = false
            hand = hand % #list + 1
          end
          assert(pop() == list[hand].key, i)
          remove(hand)
        end
      end
      assert.equal(#list, count "items")
    end)
  end)

  -- The hash of a group's keys is keyed (hash.h). With another, the last thousand keys would each
  -- be compared with all before.
  local KEYS = unit.rounds(1000000)

  it(("finds a key as soon among %d that were made to have one CRC-32"):format(KEYS), function()
    local PART, next_key, crc = 5000, colliding(), nil
    local function put_keys(n)
      for _ = 1, n do
        local key = next_key()
        crc = crc or hash_of(key)
        C.lru_put(l, C.item_new(key_ref(key), "v", 1, 0))
      end
    end
    local function time_of_part()
      local began = os.clock()
      for _ = 1, PART do
        local key = next_key()
        assert(C.lru_get(l, key_ref(key)) == nil)
        C.lru_put(l, C.item_new(key_ref(key), "v", 1, 0))
        assert(C.lru_get(l, key_ref(key)) ~= nil)
      end
      return os.clock() - began
    end
    local early = time_of_part()
    put_keys(KEYS - 2 * PART)
    local late = time_of_part()
    assert.equal(crc, hash_of(next_key()))
    assert(late < 5 * early + 0.1, ("%.3f s after %.3f s"):format(late, early))
  end)
end)
