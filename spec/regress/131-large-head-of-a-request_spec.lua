-- SPDX-License-Identifier: MIT

-- Of a request with headers of more than 1 MB http said that the answer had too long a line.

local node = require "support.node"
local rig = require "node.rig"

local SCRIPT = [[
local http = require "groupcache.http"
require("groupcache").group("g", { getter = function(n)
  local res, err, code = http.get("http://127.0.0.1:1/", { headers = { a = ("x"):rep(n) } })
  return tostring(res) .. " " .. code .. ": " .. err, nil, 0
end })
]]

describe("a request with a large head", function()
  it("is not sent beyond 512 KiB", function()
    local n = node.start { script = SCRIPT }
    assert.matches("^nil PEER: .*onnect", n:get("g", "500000").body)
    for _, size in ipairs { "530000", "2000000" } do
      assert.matches("^nil INVAL: the url and the headers have %d+ bytes, and may have 524288$",
        n:get("g", size).body)
    end
    rig.stop(n)
  end)
end)
