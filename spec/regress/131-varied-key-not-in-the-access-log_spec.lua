-- SPDX-License-Identifier: MIT

-- In a group with `vary` the access log had the key without the headers that are a part of it, so
-- all variants of a value were one key there.

local rig = require "node.rig"
local tmp = require "support.tmp"

describe("the access log, in a group with `vary`", function()
  it("has the whole key", function()
    local path = tmp.dir() .. "/access"
    local _, n = rig.start([[
      require("groupcache").group("g", { vary = { "x-a" }, getter = function(key) return key end })
    ]], { args = { "--workers", "1", "--access-log", path } })
    for _ = 1, 2 do
      assert.equal("b#x-a=1", assert(n:get("g", "b", { headers = { ["X-A"] = "1" } })).body)
    end
    rig.stop(n)
    local log = tmp.read(path)
    for _, source in ipairs { "local", "main" } do
      assert.matches('"GET /cache/g/b HTTP/1.1" 200 7 [^\n]* ' .. source .. ' "b#x%-a=1"', log)
    end
  end)
end)
