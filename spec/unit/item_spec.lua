-- SPDX-License-Identifier: MIT

local expires_ms = require "unit.expires_ms"
local ffi = require "ffi"
local key_ref = require "unit.key_ref"
local C = require("support.unit").load("cache/item.h", "base/mem.h", "base/buf.h")

local function new(key, value, hash, expires)
  return C.item_new(key_ref(key, hash or 0), value, #value, expires or 0)
end

local function wire(it)
  local len = ffi.new "size_t[1]"
  local bytes = C.item_wire(it, len)
  return ffi.string(bytes, len[0])
end

describe("item", function()
  after_each(function()
    C.mem_fail_after(-1)
  end)

  it("holds key and value, whatever the bytes are", function()
    for _, pair in ipairs { { "key", "value" }, { "", "" }, { "k\0\255", "\0v\0" }, { "", "v" },
      { "k", "" }, { ("k"):rep(5000), ("v"):rep(100000) } } do
      local it = new(pair[1], pair[2], 77, 12345)
      assert.equal(#pair[1], it.key_len)
      assert.equal(#pair[2], it.value_len)
      assert.equal(pair[1], ffi.string(C.item_key(it), it.key_len))
      assert.equal(pair[2], ffi.string(C.item_value(it), it.value_len))
      assert.equal(77, it.hash)
      assert.equal(12345, expires_ms(it))
      C.item_unref(it)
    end
  end)

  -- golang/groupcache answers {"v"} and {""} with exactly these bytes.
  it("lies in memory as the bytes of a GetResponse", function()
    local v, empty = new("k", "v"), new("k", "")
    assert.equal("\x0a\x01v", wire(v))
    assert.equal("\x0a\x00", wire(empty))
    C.item_unref(v)
    C.item_unref(empty)
  end)

  it("writes the length in as many bytes as protobuf does", function()
    for n, prefix in pairs {
      [127] = "\x0a\x7f", [128] = "\x0a\x80\x01", [300] = "\x0a\xac\x02",
      [16383] = "\x0a\xff\x7f", [16384] = "\x0a\x80\x80\x01",
      [2097151] = "\x0a\xff\xff\x7f", [2097152] = "\x0a\x80\x80\x80\x01",
    } do
      local value = ("v"):rep(n)
      local it = new("key", value)
      assert.is_true(wire(it) == prefix .. value)
      C.item_unref(it)
    end
  end)

  it("is made of the value's own memory", function()
    for _, n in ipairs { 0, 1, 511, 512, 100000 } do
      for _, room in ipairs { 0, 200 } do
        local value, b = ("v"):rep(n), ffi.new "struct buf"
        C.buf_put(b, value, n)
        C.buf_reserve(b, room)
        local it = C.item_new_of(key_ref("key", 7), b, 5, nil, 0)
        assert.equal("key" .. value, ffi.string(C.item_key(it), 3)
          .. ffi.string(C.item_value(it), it.value_len))
        local copied = new("key", value, 7, 5)
        assert.is_true(wire(copied) == wire(it))
        assert.is_true(b.data == nil and b.failed ~= 0) -- nobody takes it for an empty value
        C.item_unref(it)
        C.item_unref(copied)
      end
    end
  end)

  it("leaves the value as it was if there is no memory", function()
    local b = ffi.new "struct buf"
    C.buf_put(b, "value", 5)
    C.mem_fail_after(0)
    assert.is_true(C.item_new_of(key_ref("key", 7), b, 0, nil, 0) == nil)
    assert.equal("value", ffi.string(b.data, b.len))
    C.buf_deinit(b)
  end)

  it("keeps a number with a large value, and none with a small one", function()
    local large = tonumber(C.ITEM_ETAG_BYTES)
    for key_len = 0, 9 do
      local key, value = ("k"):rep(key_len), ("v"):rep(large + 7 * key_len)
      local it = new(key, value)
      assert.equal(0ULL, C.item_etag(it))
      C.item_set_etag(it, 0xfedcba9876543210ULL)
      assert.equal(0xfedcba9876543210ULL, C.item_etag(it))
      assert.equal(key, ffi.string(C.item_key(it), key_len))
      assert.equal(value, ffi.string(C.item_value(it), #value))
      C.item_unref(it)
    end
    local small = new("key", ("v"):rep(large - 1))
    C.item_set_etag(small, 1)
    assert.equal(0ULL, C.item_etag(small))
    C.item_unref(small)
  end)

  it("can be filled in after it is made", function()
    local it = C.item_new(key_ref("k", 0), nil, 5, 0)
    ffi.copy(C.item_value(it), "later", 5)
    assert.equal("\x0a\x05later", wire(it))
    C.item_unref(it)
  end)

  it("is told apart by hash, length and every byte of its key", function()
    local it = new("k\0a", "v", 9)
    assert.equal(1, C.item_is(it, key_ref("k\0a", 9)))
    assert.equal(0, C.item_is(it, key_ref("k\0a", 8)))
    assert.equal(0, C.item_is(it, key_ref("k\0b", 9)))
    assert.equal(0, C.item_is(it, key_ref("k\0", 9)))
    assert.equal(0, C.item_is(it, key_ref("k\0ab", 9)))
    C.item_unref(it)
  end)

  it("lives as long as somebody holds it", function()
    local it = new("k", "v")
    assert.equal(1, it.refs)
    assert.is_true(C.item_ref(it) == it)
    assert.equal(2, it.refs)
    C.item_unref(it)
    assert.equal(1, it.refs)
    assert.equal("v", ffi.string(C.item_value(it), 1))
    C.item_unref(it)
    C.item_unref(nil)
  end)

  it("ends when it was told, or after ten thousand years", function()
    local last = 2 ^ 48 - 1
    for told, ends in pairs { [1] = 1, [2 ^ 32 - 1] = 2 ^ 32 - 1, [2 ^ 32] = 2 ^ 32,
      [last - 1] = last - 1, [last] = last, [last + 1] = last, [2 ^ 63] = last } do
      local it = new("key", "value", 0, told)
      assert.equal(ends, expires_ms(it))
      C.item_unref(it)
    end
    local immortal = new("key", "value")
    assert.is_nil(expires_ms(immortal))
    C.item_unref(immortal)
  end)

  it("keeps its list and its failures apart", function()
    for list = 0, 3 do
      local it = new("key", "value", 0, 5)
      C.item_set_list(it, 3)
      for failures = 0, 10 do
        C.item_set_list(it, list)
        assert.equal(math.min(failures, tonumber(C.ITEM_MAX_FAILURES)),
          bit.rshift(it.state, C.ITEM_FAILURES_SHIFT))
        assert.equal(list, bit.band(bit.rshift(it.state, C.ITEM_LIST_SHIFT), 3))
        assert.equal(0, bit.band(it.state, C.ITEM_PLACE))
        C.item_add_failure(it)
      end
      C.item_unref(it)
    end
  end)

  it("costs at most 64 bytes more than a short key and a value of 100, with an end too", function()
    for _, ends in ipairs { 0, 12345 } do
      local it = new("123456789012", ("v"):rep(100), 0, ends)
      assert.is_true(C.item_cost(it) <= 112 + 64)
      C.item_unref(it)
    end
  end)

  it("has a key of 16 MB at most", function()
    local most = tonumber(C.ITEM_MAX_KEY)
    local key = ("k"):rep(most)
    local it = new(key, "value")
    assert.equal(most, it.key_len)
    assert.is_true(ffi.string(C.item_key(it), most) == key)
    assert.equal("value", ffi.string(C.item_value(it), 5))
    C.item_unref(it)
    key = key .. "k"
    assert.is_true(new(key, "value") == nil)
  end)

  it("is refused when a part is over the limit", function()
    local over = ffi.cast("size_t", C.ITEM_MAX_BYTES) + 1
    local long = key_ref("k", 0)
    long.n = over
    assert.is_true(C.item_new(long, "v", 1, 0) == nil)
    assert.is_true(C.item_new(key_ref("k", 0), nil, over, 0) == nil)
    assert.is_true(C.item_new(key_ref("k", 0), nil, 0xffffffffffffffffULL, 0) == nil)
  end)

  it("is nothing when there is no memory", function()
    C.mem_fail_after(0)
    assert.is_true(new("k", "v") == nil)
  end)

  it("costs what the allocator spends on it, which is more than its bytes", function()
    for _, n in ipairs { 0, 10, 100, 5000 } do
      local it = new("key", ("v"):rep(n))
      local cost = tonumber(C.item_cost(it))
      assert.is_true(cost > 3 + n)
      assert.equal(cost, tonumber(C.mem_cost(it)))
      C.item_unref(it)
    end
  end)
end)
