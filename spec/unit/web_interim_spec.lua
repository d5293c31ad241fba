-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load("http/web_interim.h", "base/buf.h")

describe("the text of interim answers", function()
  local function put(text)
    local b = ffi.new "struct buf"
    C.buf_init(b, 0)
    local ok = C.web_interim_put(b, text, #text) == 1
    local bytes = ok and ffi.string(b.data, b.len)
    C.buf_deinit(b)
    return bytes
  end

  local function encoded(text)
    return (text:gsub("[^%w]", function(c) return ("%%%02X"):format(c:byte()) end))
  end

  it("is written as the answers go out", function()
    assert.equal("HTTP/1.1 102 Processing\r\n\r\n", put "102%0A")
    assert.equal("HTTP/1.1 102 Processing\r\n\r\n"
      .. "HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=preload\r\nx: \r\n\r\n",
      put(encoded "102\n\n103\nlink: </a>; rel=preload\nx: \n"))
  end)

  it("is refused if it would be more or less than interim answers", function()
    for _, text in ipairs { "", "200\n", "101\n", "100\n", "1031\n", "x\n", "link: a\n",
      "103\nlink\n", "103\n: a\n", "103\nli nk: a\n", "103\nlink: a\r\nb: c\n",
      "103\nlink: \1\n", "103\nlink:a\n", "\n103\n", "103\n\n\n", "103\n\n200\n" } do
      assert.is_false(put(encoded(text)), text)
    end
    assert.is_false(put "103%")
    assert.is_false(put "103\n")
    assert.is_false(put(encoded("103\n" .. ("a: b\n"):rep(4000))))
  end)
end)
