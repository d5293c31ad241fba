-- SPDX-License-Identifier: MIT

-- A page of another site, whose name led to 127.0.0.1, could read /stats, /metrics and the list of
-- peers in the browser of somebody on the machine: only paths with keys had a look at the Host.

local http = require "support.http"
local node = require "support.node"
local ports = require "support.ports"
local rig = require "node.rig"

describe("an operators' path on a loopback address", function()
  local n, port

  setup(function()
    port = ports.free()
    n = node.start {
      script = [[require("groupcache").group("g", { getter = function() return "v" end })]],
      args = { "--admin-listen", "127.0.0.1:" .. port },
    }
  end)

  teardown(function()
    rig.stop(n)
  end)

  local function status(host, target)
    return assert(http.request { host = "127.0.0.1", port = port, target = target,
      headers = { Host = host .. ":" .. port } }).status
  end

  local PATHS = { "/", "/stats", "/metrics", "/peers/http_sd", "/recent", "/explain/g/k" }

  it("is for this machine's names", function()
    for _, target in ipairs(PATHS) do
      for _, host in ipairs { "127.0.0.1", "localhost", "[::1]" } do
        assert.equal(200, status(host, target), target)
      end
    end
  end)

  it("is not for a name of another site", function()
    for _, target in ipairs(PATHS) do
      assert.equal(403, status("evil.example.com", target), target)
    end
  end)

  it("says whether the node lives and is ready to everybody: that tells nothing", function()
    assert.equal(200, status("evil.example.com", "/healthz"))
    assert.equal(200, status("evil.example.com", "/readyz"))
  end)
end)
