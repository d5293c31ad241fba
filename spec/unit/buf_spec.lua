-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load("base/buf.h", "base/mem.h")

local OK, NOMEM, TOOBIG = tonumber(C.ERR_OK), tonumber(C.ERR_NOMEM), tonumber(C.ERR_TOOBIG)

describe("buf", function()
  local b

  local function begin(max)
    b = ffi.new "struct buf"
    C.buf_init(b, max or 0)
  end

  local function put(s)
    return tonumber(C.buf_put(b, s, #s))
  end

  local function text()
    return ffi.string(b.data, b.len)
  end

  before_each(function()
    begin()
  end)

  after_each(function()
    C.mem_fail_after(-1)
    C.buf_deinit(b)
  end)

  it("keeps what is appended, whatever the bytes and sizes are", function()
    math.randomseed(11)
    local parts = {}
    for i = 1, 2000 do
      local part = string.char(math.random(0, 255)):rep(math.random(0, 300))
      parts[i] = part
      assert.equal(OK, put(part))
    end
    assert.equal(table.concat(parts), text())
  end)

  it("appends text and formatted text", function()
    C.buf_puts(b, "size=")
    C.buf_putf(b, "%d %s", ffi.new("int", -7), ("y"):rep(1000))
    assert.equal("size=-7 " .. ("y"):rep(1000), text())
  end)

  it("can be filled exactly to its bound, by every kind of append", function()
    for _, append in ipairs {
      function(s) return C.buf_put(b, s, #s) end,
      function(s) return C.buf_puts(b, s) end,
      function(s) return C.buf_putf(b, "%s", s) end,
    } do
      for _, size in ipairs { 2, 10, 255, 256, 257, 1000 } do
        C.buf_deinit(b)
        begin(size)
        assert.equal(OK, tonumber(append(("z"):rep(size))))
        assert.equal(size, tonumber(b.len))
      end
    end
  end)

  it("takes nothing beyond its bound", function()
    begin(10)
    assert.equal(OK, put "0123456789")
    assert.equal(TOOBIG, put "x")
    assert.equal("0123456789", text())
  end)

  it("refuses everything after a failure until it is reset", function()
    begin(10)
    put "01234"
    assert.equal(TOOBIG, put "567890")
    assert.equal(TOOBIG, put "5") -- would fit
    assert.equal(TOOBIG, put "")
    assert.equal(TOOBIG, tonumber(C.buf_puts(b, "5")))
    assert.equal(TOOBIG, tonumber(C.buf_putf(b, "%d", ffi.new("int", 5))))
    assert.equal(TOOBIG, tonumber(C.buf_reserve(b, 1)))
    assert.equal("01234", text())
    C.buf_reset(b)
    assert.equal(OK, put "0123456789")
    assert.equal("0123456789", text())
  end)

  it("fails without losing a byte when memory runs out", function()
    put "kept"
    C.mem_fail_after(0)
    assert.equal(NOMEM, put(("x"):rep(100000)))
    assert.equal(NOMEM, put "y")
    assert.equal("kept", text())
  end)

  it("refuses sizes that no memory can hold", function()
    put "a"
    assert.equal(TOOBIG, tonumber(C.buf_reserve(b, 0xffffffffffffffffULL)))
    C.buf_reset(b)
    assert.equal(TOOBIG, tonumber(C.buf_reserve(b, 0xffffffffffffffffULL / 2)))
  end)

  it("hands its bytes over and starts again", function()
    put "first"
    local len = ffi.new "size_t[1]"
    local data = C.buf_take(b, len)
    assert.equal("first", ffi.string(data, len[0]))
    assert.equal(0, tonumber(b.len))
    put "second"
    assert.equal("first", ffi.string(data, len[0]))
    assert.equal("second", text())
    C.mem_free(data)
  end)

  it("hands over nothing when there is nothing", function()
    local len = ffi.new("size_t[1]", 99)
    assert.is_true(C.buf_take(b, len) == nil)
    assert.equal(0, tonumber(len[0]))
  end)
end)
