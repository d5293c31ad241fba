-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load("wire/since.h", "base/buf.h")

describe("an answer about recent changes", function()
  local names, n = ffi.new "const char *[1]", ffi.new "size_t[1]"

  local function put(complete, text)
    local b = ffi.new "struct buf"
    C.buf_init(b, 0)
    C.since_begin(b)
    C.buf_put(b, text, #text)
    C.since_end(b, complete and 1 or 0)
    local bytes = ffi.string(b.data, b.len)
    C.buf_deinit(b)
    return bytes
  end

  local function get(bytes)
    local complete = C.since_get(bytes, #bytes, names, n)
    return complete == 1, n[0] > 0 and ffi.string(names[0], n[0] * 8) or ""
  end

  it("is read as it was written", function()
    for _, complete in ipairs { true, false } do
      for _, text in ipairs { "", "12345678", "12345678abcdefgh" } do
        assert.same({ complete, text }, { get(put(complete, text)) })
      end
    end
  end)

  it("that is cut, empty or of another byte order has no names, and is not complete", function()
    local whole = put(true, "12345678")
    for _, bytes in ipairs { "", whole:sub(1, 7), whole:sub(1, 15), whole:sub(1, 8):reverse(),
      ("x"):rep(16) } do
      assert.same({ false, "" }, { get(bytes) })
    end
  end)
end)
