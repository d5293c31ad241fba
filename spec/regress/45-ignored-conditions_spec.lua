-- SPDX-License-Identifier: MIT

-- Headers that change the meaning of a method or a body were ignored. A PUT that was to create only
-- replaced a value. Three bytes of ten became the whole value. A compressed value lost the header
-- that said so. A second If-None-Match line was not read.

local node = require "support.node"
local rig = require "node.rig"

local SCRIPT = [[
require("groupcache").group("g", { writable = true, ttl = 20, getter = function(key)
  return "v:" .. key
end })
]]

describe("a header that changes what a request means", function()
  local n

  setup(function() n = node.start { script = SCRIPT } end)
  teardown(function() rig.stop(n) end)

  local function ask(method, headers, body)
    return assert(n:get("g", "key", { method = method, headers = headers, body = body }))
  end

  local function is_unchanged()
    assert.equal("v:key", ask("GET").body)
  end

  it("makes a change fail with 412 when it is a condition", function()
    for name, value in pairs { ["If-None-Match"] = "*", ["If-Match"] = '"wrong"',
      ["If-Unmodified-Since"] = "Sat, 29 Oct 1994 19:43:31 GMT" } do
      assert.equal(412, ask("PUT", { [name] = value }, "new").status, name)
      assert.equal(412, ask("DELETE", { [name] = value }).status, name)
      is_unchanged()
    end
    assert.equal(412, ask("DELETE", { ["If-Match"] = ask("GET").headers.etag }).status)
  end)

  it("makes a change fail when the value is a part, or encoded", function()
    assert.equal(400, ask("PUT", { ["Content-Range"] = "bytes 2-4/10" }, "abc").status)
    assert.equal(415, ask("PUT", { ["Content-Encoding"] = "gzip" }, "abc").status)
    is_unchanged()
    assert.equal(204, ask("PUT", { ["Content-Encoding"] = "identity" }, "v:key").status)
  end)

  it("is read on each of its lines", function()
    local etag = ask("GET").headers.etag
    assert.equal(304, ask("GET", { { "If-None-Match", '"a"' }, { "If-None-Match", etag } }).status)
    assert.equal(304, ask("GET", { { "If-None-Match", etag }, { "If-None-Match", '"a"' } }).status)
    assert.equal(200, ask("GET", { { "If-None-Match", '"b"' }, { "If-None-Match", '"a"' } }).status)
  end)

  it("makes a get fail with 412 when it wants another value", function()
    local etag = ask("GET").headers.etag
    for value, status in pairs { [etag] = 200, ["*"] = 200, ['"a", ' .. etag] = 200, ['"a"'] = 412,
      ["W/" .. etag] = 412 } do
      local res = ask("GET", { ["If-Match"] = value })
      assert.equal(status, res.status, value)
      assert.equal(status == 200 and "v:key" or "", res.body)
    end
  end)
end)
