-- SPDX-License-Identifier: MIT

local cjson = require "cjson.safe"
local ffi = require "ffi"
local C = require("support.unit").load("base/log_line.h", "base/log.h", "base/utf8.h")

local LINE_BYTES = tonumber(C.LOG_LINE_BYTES)

local function line(msg, pairs_, mod)
  local out = ffi.new("char[?]", LINE_BYTES + 1)
  ffi.fill(out, LINE_BYTES + 1, 0x55)
  local n = tonumber(C.log_line_put(out, "info", mod or "node", msg, pairs_ or ""))
  assert.is_true(n <= LINE_BYTES)
  assert.equal(0x55, out[LINE_BYTES])
  local text = ffi.string(out, n)
  assert.equal(n, (text:find("\n", 1, true)))
  return text
end

local function quoted(bytes)
  local out = ffi.new("char[?]", 4 * #bytes + 8)
  return ffi.string(C.log_quote(out, 4 * #bytes + 8, bytes, #bytes))
end

local function object(...)
  local text = line(...)
  local got, err = cjson.decode(text)
  assert(got, tostring(err) .. ": " .. text)
  assert.equal(1, C.utf8_valid(text, #text), text)
  assert.matches("^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$", got.time)
  got.time = nil
  return got
end

describe("a line of the log", function()
  after_each(function()
    C.log_line_set_format(C.LOG_TEXT)
  end)

  it("has one of two forms", function()
    assert.equal(tonumber(C.LOG_TEXT), C.log_line_format_from_name "text")
    assert.equal(tonumber(C.LOG_JSON), C.log_line_format_from_name "json")
    assert.equal(-1, C.log_line_format_from_name "JSON")
    assert.matches('^time=%S+ level=info mod=node msg="ready" ms=3\n$', line("ready", "ms=3"))
    C.log_line_set_format(C.LOG_JSON)
    assert.equal(tonumber(C.LOG_JSON), tonumber(C.log_line_format()))
    assert.matches('^{"time":"[^"]+","level":"info","mod":"node","msg":"ready","ms":3}\n$',
      line("ready", "ms=3"))
  end)

  describe("in JSON", function()
    before_each(function()
      C.log_line_set_format(C.LOG_JSON)
    end)

    it("has the pairs: numbers and truth are bare, all else is text", function()
      assert.same({ level = "info", mod = "node", msg = "m", a = 1, b = -2.5, c = true, d = false,
        e = "1", f = "1.2.3", g = "01", h = "127.0.0.1:1", i = "", j = "1e5", k = 0, l = "nan",
        m = "-", n = "1.", o = 0.5, p = ("9"):rep(60) },
        object("m", 'a=1 b=-2.5 c=true d=false e="1" f=1.2.3 g=01 h=127.0.0.1:1 i="" j=1e5 k=0 '
          .. "l=nan m=- n=1. o=0.5 p=" .. ("9"):rep(60)))
    end)

    it("keeps spaces of a value without quotes, up to the next name", function()
      assert.same({ level = "info", mod = "node", msg = "m", group = "my own group", n = 1,
        last = "two words" }, object("m", "group=my own group n=1 last=two words"))
    end)

    it("renames pairs that have the name of what each line has", function()
      assert.same({ level = "info", mod = "node", msg = "m", time_ = 1, level_ = "x", mod_ = "y",
        msg_ = "z" }, object("m", "time=1 level=x mod=y msg=z"))
    end)

    it("has the bytes of quoted values, if they are UTF-8", function()
      for _, text in ipairs { 'a "b" \\ c', "line\nline\ttab\0nul\127", "é €", "\240\159\152\128",
        'x=y "z"', "\\x41", "" } do
        assert.equal(text, object("m", "v=" .. quoted(text)).v)
      end
      assert.equal("tab\there", object('tab\\x09here').msg)
    end)

    it("is valid whatever the bytes are, and for pairs that nobody wrote like that", function()
      math.randomseed(417)
      for i = 1, 500 do
        local bytes = {}
        for at = 1, math.random(0, i % 10 == 0 and 6000 or 60) do
          bytes[at] = string.char(math.random(1, i % 3 == 0 and 255 or 127))
        end
        local text = table.concat(bytes)
        object("m", "a=" .. quoted(text) .. " b=2")
        object(quoted(text):sub(2, -2), (text:gsub("\n", " ")))
        object("m", "a=" .. text .. " b=" .. text .. ' c="' .. text, text)
      end
      local all = {}
      for byte = 0, 255 do
        all[#all + 1] = string.char(byte)
      end
      local got = object("m", "v=" .. quoted(table.concat(all))).v
      assert.matches("^%z\1\2", got)
      assert.matches("þÿ$", got) -- bytes of a text that is no UTF-8 are characters of that number
    end)

    it("is cut within a value, between two characters, and then ends", function()
      local got = object("m", "v=" .. ("é"):rep(5000) .. " w=1")
      assert.matches("^" .. ("é"):rep(100) .. ".*%.%.%.$", got.v)
      assert.is_nil(got.w)
      got = object(("m"):rep(9000), "a=1", ("x"):rep(9000))
      assert.same({ 1, true, true }, { got.a, #got.msg < 2000, #got.mod < 100 })
      local many = {}
      for i = 1, 1000 do
        many[i] = ("name%d=%d"):format(i, i)
      end
      got = object("m", table.concat(many, " "))
      assert.equal(200, got.name200)
      assert.is_nil(got.name1000)
    end)
  end)
end)
