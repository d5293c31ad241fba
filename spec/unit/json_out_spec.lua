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
end)
