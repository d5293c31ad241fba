-- SPDX-License-Identifier: MIT

local cjson = require "cjson"
local ffi = require "ffi"
local C = require("support.unit").load("base/json_out.h", "base/buf.h", "base/mem.h")

local function brackets(s)
  return string.byte(s)
end

describe("json_out", function()
  local b, j

  before_each(function()
    b, j = ffi.new "struct buf", ffi.new "struct json_out"
    C.buf_init(b, 0)
  end)

  after_each(function()
    C.mem_fail_after(-1)
    C.buf_deinit(b)
  end)

  local function text()
    return ffi.string(b.data, b.len)
  end

  it("writes an object with members of every kind, a comma before each but the first", function()
    C.json_out_begin(j, b, brackets "{")
    C.json_out_number(j, "n", 18446744073709551615ULL)
    C.json_out_bool(j, "yes", 1)
    C.json_out_bool(j, "no", 0)
    C.json_out_text(j, "text", "a")
    C.json_out_raw(j, "raw", "[1]", 3)
    C.json_out_close(j)
    assert.equal('{"n":18446744073709551615,"yes":true,"no":false,"text":"a","raw":[1]}', text())
  end)

  it("escapes every byte that needs it at every place", function()
    local named = { ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n",
      ["\r"] = "\\r", ["\t"] = "\\t" }
    for byte = 0, 255 do
      local c = string.char(byte)
      local plain = byte >= 32 and byte ~= 127
      local wanted = named[c] or (plain and c or ("\\u%04x"):format(byte))
      for at = 0, 17 do
        local bytes = ("!"):rep(at) .. c .. ("z"):rep(17 - at)
        b.len = 0
        C.json_out_string(b, bytes, #bytes, C.JSON_OUT_UTF8)
        assert.equal('"' .. ("!"):rep(at) .. wanted .. ("z"):rep(17 - at) .. '"', text())
      end
    end
  end)

  it("writes what is empty", function()
    C.json_out_begin(j, b, brackets "[")
    C.json_out_close(j)
    assert.equal("[]", text())
  end)

  it("writes objects in lists in objects", function()
    local list, member = ffi.new "struct json_out", ffi.new "struct json_out"
    C.json_out_begin(j, b, brackets "{")
    C.json_out_open(j, "list", list, brackets "[")
    for i = 1, 2 do
      C.json_out_open(list, nil, member, brackets "{")
      C.json_out_number(member, "i", i)
      C.json_out_close(member)
    end
    C.json_out_text(list, nil, "last")
    C.json_out_close(list)
    C.json_out_number(j, "after", 3)
    C.json_out_close(j)
    assert.equal('{"list":[{"i":1},{"i":2},"last"],"after":3}', text())
  end)

  it("escapes names and texts", function()
    C.json_out_begin(j, b, brackets "{")
    C.json_out_text(j, 'a "name"\n', 'a \\ "text"\n')
    C.json_out_close(j)
    assert.same({ ['a "name"\n'] = 'a \\ "text"\n' }, cjson.decode(text()))
  end)

  it("leaves a failure in the buf", function()
    C.json_out_begin(j, b, brackets "{")
    C.mem_fail_after(0)
    C.json_out_text(j, "text", ("x"):rep(100000))
    C.mem_fail_after(-1)
    C.json_out_close(j)
    assert.equal(tonumber(C.ERR_NOMEM), tonumber(b.failed))
  end)

  describe("a string", function()
    local BYTES, UTF8, GO = C.JSON_OUT_BYTES, C.JSON_OUT_UTF8, C.JSON_OUT_GO

    local function string_of(bytes, style)
      C.buf_reset(b)
      C.json_out_string(b, bytes, #bytes, style)
      return text()
    end

    it("has every byte that it was given", function()
      local all = {}
      for byte = 0, 255 do
        all[#all + 1] = string.char(byte)
      end
      local bytes = table.concat(all)
      local json = string_of(bytes, BYTES)
      assert.is_nil(json:find "[^\32-\126]") -- printable ASCII only
      local decoded = cjson.decode("[" .. json .. "]")[1]
      local back = decoded:gsub("[\194\195][\128-\191]", function(two) -- U+0080 to U+00FF
        return string.char((two:byte(1) - 192) * 64 + two:byte(2) - 128)
      end)
      assert.equal(bytes, back)
    end)

    it("has what its style leaves as it is", function()
      local what = "é <&> \226\128\168"
      assert.equal('"\\u00c3\\u00a9 <&> \\u00e2\\u0080\\u00a8"', string_of(what, BYTES))
      assert.equal('"' .. what .. '"', string_of(what, UTF8))
      assert.equal('"é \\u003c\\u0026\\u003e \\u2028"', string_of(what, GO))
    end)

    it("has JavaScript's line ends only where all three bytes are there", function()
      assert.equal('"\\u2028\\u2029"', string_of("\226\128\168\226\128\169", GO))
      for _, other in ipairs { "\226", "\226\128", "\226\128\170", "\226\129\168", "€" } do
        assert.equal('"' .. other .. 'x"', string_of(other .. "x", GO))
        assert.equal('"' .. other .. '"', string_of(other, GO))
      end
    end)

    it("has short names for the escapes that have some", function()
      for _, style in ipairs { BYTES, UTF8, GO } do
        assert.equal([["\"\\/\b\f\n\r\t\u0000\u0001\u007f"]],
          string_of("\"\\/\b\f\n\r\t\0\1\127", style))
        assert.equal('""', string_of("", style))
      end
    end)
  end)
end)
