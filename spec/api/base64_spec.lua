-- SPDX-License-Identifier: MIT

local base64 = require "groupcache.discover.base64"
local mime = require "mime"

describe("base64", function()
  it("is the same as LuaSocket's, both ways, for all lengths and bytes", function()
    for n = 0, 300 do
      local bytes = {}
      for i = 1, n do
        bytes[i] = string.char((i * 7 + n * 13) % 256)
      end
      local text = table.concat(bytes)
      assert.equal((mime.b64(text)) or "", base64.encode(text))
      assert.equal(text, base64.decode(base64.encode(text)))
    end
  end)

  it("refuses what is none", function()
    for _, text in ipairs { "a", "ab", "abc", "ab=c", "a===", "ab\n=", "====" } do
      assert.is_nil(base64.decode(text), text)
    end
  end)
end)
