-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load("peer/peer_in.h", "peer/view.h", "base/mem.h")

describe("a view of peers", function()
  local held

  -- A view whose peers have these URLs.
  local function view_of(urls)
    local n = #urls
    local v, list = ffi.new "struct view", ffi.new("struct peer *[?]", n + 1)
    held = { list }
    for i, url in ipairs(urls) do
      local peer, text = ffi.new "struct peer", ffi.new("char[?]", #url + 1, url)
      peer.url, list[i - 1] = text, peer
      held[#held + 1] = { peer, text }
    end
    v.list, v.n = list, n
    C.view_index(v)
    return v
  end

  local function found(v, url)
    local peer = C.view_find(v, url)
    return peer ~= nil and ffi.string(peer.url) or nil
  end

  it("finds each of its peers, whatever their order, and no other", function()
    local urls = { "http://c:1", "http://a:1", "http://b:1", "http://a:12", "http://a" }
    local v = view_of(urls)
    for _, url in ipairs(urls) do
      assert.equal(url, found(v, url))
    end
    for _, url in ipairs { "", "http://a:", "http://d:1", "http://" } do
      assert.is_nil(found(v, url))
    end
    C.mem_free(v.by_url)
  end)

  it("may have no peers", function()
    local v = view_of {}
    assert.is_nil(found(v, "http://a:1"))
    C.mem_free(v.by_url)
  end)

  it("says which name is the first that is there twice", function()
    local function repeated(names)
      local list = ffi.new("const char *[?]", #names + 1)
      for i, name in ipairs(names) do
        list[i - 1] = name
      end
      return tonumber(C.view_repeated(list, #names))
    end
    assert.equal(0, repeated {})
    assert.equal(3, repeated { "c", "a", "b" })
    assert.equal(2, repeated { "c", "a", "c", "a", "c" })
    assert.equal(1, repeated { "z", "z", "a", "a" })
  end)
end)
