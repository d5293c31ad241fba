-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local key_ref = require "unit.key_ref"
local C = require("support.unit").load("http/answer_cache.h", "cache/item.h", "base/clock.h")

ffi.cdef [[
struct MHD_Response *MHD_create_response_from_buffer(size_t n, void *bytes, int mode);
void MHD_destroy_response(struct MHD_Response *r);
const char *MHD_get_response_header(struct MHD_Response *r, const char *name);
]]
local mhd = ffi.load "libmicrohttpd.so.12"

local never = 0xffffffffffffffffULL
local now -- when a spec began

local function look(item, how, content_type)
  local l = ffi.new "struct answer_cache_look"
  l.item, l.how, l.type = item, how or 0, content_type
  return l
end

local function response()
  return mhd.MHD_create_response_from_buffer(0, nil, 0)
end

-- Offers a new answer, as right for 10 seconds; the answer, if it is kept.
local function offer(l)
  local r = response()
  if C.answer_cache_wants(l) == 1 then
    C.answer_cache_keep(l, r, now, now + 10000)
    return r
  end
  mhd.MHD_destroy_response(r)
end

describe("a kept answer", function()
  local item

  before_each(function()
    now = C.clock_ms()
    item = C.item_new(key_ref("key", 77), "value", 5, 0)
  end)

  after_each(function()
    C.answer_cache_deinit()
    C.item_unref(item)
  end)

  it("is one that was offered before", function()
    assert.equal(never, C.answer_cache_due_ms())
    assert.is_nil(offer(look(item)))
    assert.equal(never, C.answer_cache_due_ms())
    local r = assert(offer(look(item)))
    assert.equal(r, C.answer_cache_find(look(item), now))
    assert.is_true(C.answer_cache_due_ms() > now and C.answer_cache_due_ms() < now + 2000)
  end)

  it("is found by the very item, for the same kind of request", function()
    local html, json = ffi.new("char[5]", "html"), ffi.new("char[5]", "json")
    local other = C.item_new(key_ref("key", 77), "value", 5, 0)
    offer(look(item, 1, html))
    assert(offer(look(item, 1, html)))
    assert.is_true(C.answer_cache_find(look(item, 1, html), now) ~= nil)
    for _, l in ipairs { look(other, 1, html), look(item, 257, html), look(item, 1, json),
      look(item, 1) } do
      assert.is_true(C.answer_cache_find(l, now) == nil)
    end
    C.item_unref(other)
  end)

  it("gives way to another", function()
    local other = C.item_new(key_ref("other", 77 + 256), "value", 5, 0)
    offer(look(item))
    assert(offer(look(item)))
    assert.is_nil(offer(look(other)))
    assert.is_true(C.answer_cache_find(look(item), now) ~= nil)
    local r = assert(offer(look(other)))
    assert.is_true(C.answer_cache_find(look(item), now) == nil)
    assert.equal(r, C.answer_cache_find(look(other), now))
    C.item_unref(other)
  end)

  it("has a date, and is not found when that has passed", function()
    offer(look(item))
    local r = assert(offer(look(item)))
    local date = ffi.string(mhd.MHD_get_response_header(r, "Date"))
    local wall = tonumber(C.clock_wall_ns() / 1000000000ULL)
    assert.is_true(date == os.date("!%a, %d %b %Y %H:%M:%S GMT", wall)
      or date == os.date("!%a, %d %b %Y %H:%M:%S GMT", wall - 1), date)
    assert.is_true(C.answer_cache_find(look(item), now + 1000) == nil)
  end)

  it("is not found when it is right no longer", function()
    offer(look(item))
    assert.equal(1, C.answer_cache_wants(look(item)))
    C.answer_cache_keep(look(item), response(), now, now)
    assert.is_true(C.answer_cache_find(look(item), now) == nil)
  end)

  it("is let go of by a sweep when it is too old", function()
    offer(look(item))
    assert(offer(look(item)))
    C.answer_cache_sweep(now + 2000)
    assert.equal(never, C.answer_cache_due_ms())
    assert.is_true(C.answer_cache_find(look(item), now) == nil)
  end)
end)
