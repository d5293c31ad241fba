-- SPDX-License-Identifier: MIT

local ffi = require "ffi"
local C = require("support.unit").load("peer/outline.h", "base/hash.h")

local function outline(names, more)
  local o = ffi.new "struct outline"
  o.dialect, o.hash, o.replicas, o.base_path = C.DIALECT_GOLANG, C.HASH_CRC32, 50, "/_groupcache/"
  for name, value in pairs(more or {}) do
    o[name] = value
  end
  local list = ffi.new("const char *[?]", #names + 1, names)
  local out = ffi.new("char[?]", C.OUTLINE_TEXT)
  C.outline_put(o, list, #names, out)
  return ffi.string(out)
end

local function explain(ours, theirs)
  local out = ffi.new("char[?]", C.OUTLINE_WHY)
  C.outline_explain(ours, theirs, out)
  return ffi.string(out)
end

describe("an outline", function()
  it("is the same on all nodes, and between versions", function()
    assert.equal("0.0.50.8e58ae85.2.970f5aface50c6e2", outline { "http://a:1", "http://b:1" })
    assert.equal("0.0.50.8e58ae85.0.cbf29ce484222325", outline {})
  end)

  it("does not depend on the order of the peers", function()
    assert.equal(outline { "a", "b", "c" }, outline { "c", "a", "b" })
    assert.not_equal(outline { "a", "b" }, outline { "ab" })
    assert.not_equal(outline { "ab", "c" }, outline { "a", "bc" })
  end)

  it("shows what differs", function()
    local ours = outline { "a", "b" }
    assert.equal("", explain(ours, ours))
    for _, case in ipairs {
      { outline({ "a", "b" }, { replicas = 7 }), "replicas 50 here and 7 there" },
      { outline({ "a", "b" }, { hash = C.HASH_FNV1_64 }), "hash crc32 here and fnv1-64 there" },
      { outline({ "a", "b" }, { dialect = C.DIALECT_MAILGUN }),
        "dialect golang here and mailgun there" },
      { outline { "a" }, "2 peers here and 1 there" },
      { outline { "a", "c" }, "2 peers here and there, but not the same" },
      { outline({ "a", "c" }, { replicas = 7 }),
        "replicas 50 here and 7 there, 2 peers here and there, but not the same" },
    } do
      assert.equal(case[2], explain(ours, case[1]))
    end
  end)

  it("says nothing about the peers of a node that asks at another base_path", function()
    assert.equal("base_path", explain(outline { "a" }, outline({ "b" }, { base_path = "/x/" })))
  end)

  it("takes any text from another node", function()
    for _, text in ipairs { "", "x", "1.2.3", "0.0.50.8e58ae85.2.970f5aface50c6e2 ",
      ("9"):rep(79), "0.0.50.8e58ae85.2." } do
      assert.equal("the other node says it in an unknown form", explain(outline { "a" }, text))
    end
    local strange = explain(outline { "a" }, "77.88.1.1.1.1")
    assert.equal("dialect golang here and an unknown one there, hash crc32 here and an unknown one "
      .. "there, replicas 50 here and 1 there, base_path", strange)
  end)
end)
