-- SPDX-License-Identifier: MIT

local engine = require "unit.engine"
local ffi = require "ffi"
local key_ref = require "unit.key_ref"
local tmp = require "support.tmp"
local C = require("support.unit").load("store/snapshot_read.h", "store/snapshot_write.h",
  "store/snapshot.h", "base/err.h", "base/clock.h", "base/hash.h", "cache/group.h",
  "cache/item.h")

describe("a snapshot that is read", function()
  local g, path
  local e = ffi.new "struct error"

  before_each(function()
    g = engine.group { ttl_ms = 60000 }
    path = tmp.dir() .. "/snapshot"
  end)

  after_each(function()
    g:ended()
  end)

  local function write(count, size)
    for i = 1, count do
      g:get("k" .. i)
      g:finish(g.loads[1], ("v"):rep(size or 10) .. i, C.clock_ms() + 60000)
    end
    local o = ffi.new "struct snapshot_write_opts"
    o.path, o.dialect, o.clean = path, "golang", 1
    local w = C.snapshot_write_open(o, e)
    C.snapshot_write_group(w, g.c, 1, e)
    assert.equal(0, tonumber(C.snapshot_write_end(w, e)))
    return tmp.read(path)
  end

  -- All records by key, and how the file ended: true, or why.
  local function read()
    local r = C.snapshot_read_open(path, e)
    if r == nil then
      return {}, ffi.string(e.msg)
    end
    local entry, found = ffi.new "struct snapshot_entry", {}
    local got
    repeat
      got = C.snapshot_read_next(r, entry, e)
      if got == 1 then
        found[ffi.string(entry.key, entry.record.key_len)] = {
          group = ffi.string(entry.group, entry.block.name_len),
          shared = tonumber(entry.block.shared),
          left_ms = tonumber(entry.record.left_ms),
          value = ffi.string(entry.value, entry.record.value_len),
          extra = ffi.string(entry.extra, entry.extra_len) }
      end
    until got ~= 1
    C.snapshot_read_close(r)
    return found, got == 0 or ffi.string(e.msg)
  end

  local function count(t)
    local n = 0
    for _ in pairs(t) do
      n = n + 1
    end
    return n
  end

  it("has every item as it was, also in many blocks", function()
    write(300, 5000)
    local found, whole = read()
    assert.is_true(whole)
    assert.equal(300, count(found))
    assert.equal(ffi.string(C.group_name(g.c)), found.k7.group)
    assert.equal(("v"):rep(5000) .. "7", found.k7.value)
    assert.equal(1, found.k7.shared)
    assert.is_true(found.k7.left_ms > 50000 and found.k7.left_ms <= 60000)
  end)

  it("has the extras of an item, and none of the next item", function()
    local extra = "\1\2\0\144\1\2\8\0name\0val"
    extra = extra:sub(1, #extra - 3) .. "va\0"
    for i = 1, 3 do
      local key = "e" .. i
      g:get(key)
      local load = table.remove(g.loads, 1)
      local it = C.item_new_extra(key_ref(key, load.flight.hash), "value", 5, 0,
        i == 2 and extra or nil, i == 2 and #extra or 0)
      local r = ffi.new "struct result"
      r.item, r.source = it, C.SOURCE_LOCAL
      C.group_finish(load.flight, r)
      C.item_unref(it)
    end
    local bytes = write(0)
    local found, whole = read()
    assert.is_true(whole)
    assert.same({ "value", "value", "value" },
      { found.e1.value, found.e2.value, found.e3.value })
    assert.same({ "", extra, "" }, { found.e1.extra, found.e2.extra, found.e3.extra })
    assert.truthy(bytes:find(extra, 1, true))
  end)

  it("of version 1, which has no extras, is taken, and of a later version not", function()
    write(3)
    local function patch(version)
      local head, bytes = ffi.new "struct snapshot_head", tmp.read(path)
      ffi.copy(head, bytes, ffi.sizeof(head))
      head.version = version
      head.sum = C.hash_murmur64(head, ffi.offsetof("struct snapshot_head", "sum"))
      tmp.write(path, ffi.string(head, ffi.sizeof(head)) .. bytes:sub(ffi.sizeof(head) + 1))
    end
    patch(1)
    local found, whole = read()
    assert.is_true(whole)
    assert.equal(3, count(found))
    for _, version in ipairs { 0, tonumber(C.SNAPSHOT_VERSION) + 1 } do
      patch(version)
      found, whole = read()
      assert.same({}, found)
      assert.truthy(whole:find("another version", 1, true))
    end
  end)

  it("of no items is whole", function()
    write(0)
    assert.same({ {}, true }, { read() })
  end)

  -- A file that a program has made: its sums are right.
  it("whose records do not fit into their block ends there, though the sum is right", function()
    local bytes, head = write(1), ffi.sizeof "struct snapshot_head"
    local block = ffi.new "struct snapshot_block"
    local function forge(change)
      local size = ffi.sizeof(block)
      ffi.copy(block, bytes:sub(head + 1), size)
      local body = ffi.new("char[?]", block.bytes, bytes:sub(head + size + 1,
        head + size + block.bytes))
      change(block, body)
      block.sum = bit.bxor(C.hash_murmur64(block, ffi.offsetof("struct snapshot_block", "sum")),
        C.hash_murmur64(body, block.bytes))
      tmp.write(path, bytes:sub(1, head) .. ffi.string(block, size) .. ffi.string(body, block.bytes)
        .. bytes:sub(head + size + block.bytes + 1))
      return read()
    end
    local function record(b, body)
      return ffi.cast("struct snapshot_record *", body + b.name_len)
    end

    local found, why = forge(function(b) b.n_items = 2 end)
    assert.equal(1, count(found))
    assert.equal("a block is damaged behind 1 items", why)
    for what, change in pairs {
      key = function(r) r.key_len = 2 ^ 32 - 1 end,
      value = function(r) r.value_len = 2 ^ 32 - 1 end,
      extras = function(r) r.flags = bit.bor(r.flags, C.SNAPSHOT_EXTRA) end,
    } do
      found, why = forge(function(b, body) change(record(b, body)) end)
      assert.same({}, found, what)
      assert.equal("a block is damaged behind 0 items", why, what)
    end
  end)

  it("has what stands before the first damage, at any length and any byte", function()
    local bytes = write(8, 20)
    for n = 0, #bytes - 1 do
      tmp.write(path, bytes:sub(1, n))
      local _, why = read()
      assert.is_string(why)
    end
    for at = 1, #bytes do
      tmp.write(path, bytes:sub(1, at - 1) .. string.char((bytes:byte(at) + 1) % 256)
        .. bytes:sub(at + 1))
      local found, why = read()
      assert.is_string(why, at)
      for key, entry in pairs(found) do
        assert.equal(("v"):rep(20) .. key:sub(2), entry.value)
      end
    end
  end)

  it("has an age, and is no longer clean once it is spoiled", function()
    write(1)
    local age = ffi.new "uint64_t[1]"
    C.clock_advance(5000)
    local r = C.snapshot_read_open(path, e)
    assert.equal(0, tonumber(C.snapshot_read_age(r, age, e)))
    assert.is_true(age[0] >= 5000 and age[0] < 60000)
    assert.equal(1ULL, C.snapshot_read_head(r).clean)
    C.snapshot_read_close(r)
    assert.equal(0, tonumber(C.snapshot_read_spoil(path, e)))
    r = C.snapshot_read_open(path, e)
    assert.equal(0ULL, C.snapshot_read_head(r).clean)
    C.snapshot_read_close(r)
    local _, whole = read()
    assert.is_true(whole)
  end)

  it("that is not there is no error of the file", function()
    assert.is_true(C.snapshot_read_open(path, e) == nil)
    assert.equal(C.ERR_NOTFOUND, e.code)
    C.snapshot_read_close(nil)
  end)
end)
