-- SPDX-License-Identifier: MIT

-- The page of a node at 127.0.0.2 was 403 in a browser that was sent to 127.0.0.2: only 127.0.0.1
-- counted as an address of this machine.

local http = require "support.http"
local node = require "support.node"
local ports = require "support.ports"
local rig = require "node.rig"

describe("operators of a node at another loopback address", function()
  local n, port

  setup(function()
    port = ports.free()
    n = node.start {
      script = [[require("groupcache").group("g", { getter = function() return "v" end })]],
      args = { "--admin-listen", "127.0.0.2:" .. port },
    }
  end)

  teardown(function()
    rig.stop(n)
  end)

  local function status(host, target)
    return assert(http.request { host = "127.0.0.2", port = port, target = target,
      headers = { Host = host .. ":" .. port } }).status
  end

  it("see keys there", function()
    for _, target in ipairs { "/", "/recent", "/explain/g/k" } do
      assert.equal(200, status("127.0.0.2", target), target)
    end
  end)

  it("do not see keys by a name or an address that may be another machine's", function()
    for _, host in ipairs { "127.0.0.2.example.com", "10.0.0.1", "128.0.0.1", "127.1", "" } do
      assert.equal(403, status(host, "/recent"), host)
    end
  end)
end)
