-- SPDX-License-Identifier: MIT

-- A raw NUL ended the method of a request, and the bytes behind it were ignored. So "DELETE\0x"
-- removed a key, also behind a proxy that lets no "DELETE" through. `make fuzz` found it.

local rig = require "node.rig"
local versions = require "support.versions"

-- libmicrohttpd 1.0 closes the connection without an answer, and before it calls us.
local CLOSES = versions.at_least("libmicrohttpd", "1.0")

describe("a raw NUL in a request's method", function()
  local r, n

  setup(function()
    r, n = rig.start [[
      require("groupcache").group("g", { writable = true, getter = function(key)
        rig.record(key)
        return key
      end })
    ]]
  end)

  teardown(function() rig.stop(n) end)

  for name, case in pairs {
    ["of a get"] = { "GET\0" },
    ["of a removal"] = { "DELETE\0x" },
    ["with other methods behind it"] = { "GET\0\0\0\0p\0GET" },
    ["before spaces"] = { "GET\0  " },
    ["with a large head, which moves"] = { "GET\0x", { X = ("a"):rep(8000) } },
  } do
    it(name .. " is refused", function()
      local res, how = n:request { method = case[1], target = "/cache/g/a", headers = case[2] }
      if CLOSES then
        assert.same({ nil, "closed" }, { res, how })
      else
        assert.equal(400, assert(res, how).status)
      end
      assert.same({}, r:calls())
    end)
  end

  it("is told from spaces behind a method", function()
    local status = assert(n:request { method = "GET ", target = "/cache/g/b" }).status
    assert.equal(CLOSES and 400 or 200, status) -- 1.0 takes one space only
  end)
end)
