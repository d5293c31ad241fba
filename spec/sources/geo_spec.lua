-- SPDX-License-Identifier: MIT

-- examples/geo.lua with tables of ranges.

local eventually = require "support.eventually"
local node = require "support.node"
local rig = require "node.rig"
local tmp = require "support.tmp"

-- 1.0.0.0-1.0.0.255, 1.0.1.0-1.0.3.255, 223.255.255.0-255.255.255.255
local TABLE = "16777216,16777471,AU\n16777472,16778239,CN\n3758096128,4294967295,NZ\n"

describe("examples/geo.lua", function()
  local path, n

  before_each(function()
    path = tmp.dir() .. "/ranges.csv"
    tmp.write(path, TABLE)
    n = node.start { script = "examples/geo.lua", env = { TABLE = path } }
  end)

  after_each(function()
    rig.stop(n)
  end)

  it("knows the country of an address", function()
    for address, country in pairs { ["1.0.0.0"] = "AU", ["1.0.0.255"] = "AU", ["1.0.1.0"] = "CN",
      ["1.0.3.255"] = "CN", ["223.255.255.0"] = "NZ", ["255.255.255.255"] = "NZ" } do
      local res = assert(n:get("country", address))
      assert.same({ 200, country }, { res.status, res.body }, address)
    end
    for _, address in ipairs { "0.0.0.0", "0.255.255.255", "1.0.4.0", "223.255.254.255",
      "1.0.0.256", "1.0.0", "::1", "" } do
      assert.equal(404, assert(n:get("country", address)).status, address)
    end
  end)

  it("reads the table again at a reload, and keeps it if the new one is wrong", function()
    local function reload(text, line)
      tmp.write(path, text)
      n.process:kill "SIGHUP"
      eventually(function() return n:logged(line) end, 20, line)
    end
    reload(TABLE .. "1,2,DE\n", 'ranges.csv:4: ')
    assert.equal("AU", assert(n:get("country", "1.0.0.1")).body)
    reload("0,16777215,ZZ\n" .. TABLE, "reloaded")
    local tries = 0 -- each with an address of its own: answers are kept
    eventually(function()
      tries = tries + 1
      return n:get("country", "0.0.0." .. tries % 256).body == "ZZ"
    end, 20, "the new table")
  end)
end)
