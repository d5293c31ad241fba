-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load "base/err.h"

describe("err", function()
  it("gives every code a name of its own, and the code back for the name", function()
    local seen = {}
    for code = 0, C.ERR_COUNT - 1 do
      local name = ffi.string(C.err_name(code))
      assert.is_nil(seen[name])
      seen[name] = true
      assert.equal(code, tonumber(C.err_from_name(name)))
    end
  end)

  it("has exactly the public codes", function()
    local names = {}
    for code = 1, C.ERR_COUNT - 1 do
      names[code] = ffi.string(C.err_name(code))
    end
    table.sort(names)
    assert.equal("BUSY CLOSED CYCLE GETTER INVAL NOMEM NOTFOUND PEER TIMEOUT TOOBIG",
      table.concat(names, " "))
  end)

  it("knows no other name and no other code", function()
    for _, name in ipairs { "", "timeout", "TIMEOUT ", "UNKNOWN", "OKAY" } do
      assert.equal(tonumber(C.ERR_COUNT), tonumber(C.err_from_name(name)))
    end
    assert.equal("UNKNOWN", ffi.string(C.err_name(C.ERR_COUNT)))
    assert.equal("UNKNOWN", ffi.string(C.err_name(-1)))
  end)

  it("keeps the code and the text in the caller's error", function()
    local e = ffi.new "struct error"
    local code = C.error_set(e, C.ERR_PEER, "%s says %d", "node-2", ffi.new("int", 42))
    assert.equal(tonumber(C.ERR_PEER), tonumber(code))
    assert.equal(tonumber(C.ERR_PEER), tonumber(e.code))
    assert.equal("node-2 says 42", ffi.string(e.msg))
  end)

  it("cuts a text that does not fit", function()
    local e = ffi.new "struct error"
    local text = ("x"):rep(C.ERROR_TEXT * 2)
    C.error_set(e, C.ERR_INVAL, "%s", text)
    assert.equal(text:sub(1, C.ERROR_TEXT - 1), ffi.string(e.msg))
  end)

  it("needs no error to fill", function()
    assert.equal(tonumber(C.ERR_BUSY), tonumber(C.error_set(nil, C.ERR_BUSY, "unheard")))
  end)
end)
