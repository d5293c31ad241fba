-- SPDX-License-Identifier: MIT

-- The message about a proxy with a port that cannot be showed its password, to clients too. A proxy
-- without a port was asked on port 1080, of which nobody had spoken.

local http = require "support.http"
local node = require "support.node"
local rig = require "node.rig"

local SCRIPT = [[
local http = require "groupcache.http"
require("groupcache").group("g", { getter = function(proxy)
  local ok, res, err, code = pcall(http.get, "http://127.0.0.1:1/", { proxy = proxy })
  return ok and err .. " " .. code or res, nil, 0
end })
]]

describe("a proxy that cannot be", function()
  local n

  setup(function() n = node.start { script = SCRIPT } end)
  teardown(function() rig.stop(n) end)

  for proxy, expected in pairs {
    ["http://me:sesame@127.0.0.1:99999"] = "the proxy's URL cannot be read PEER",
    ["http://me:sesame@[::1:80"] = "the proxy's URL cannot be read PEER",
    ["http://me:sesame@no-host.invalid:80"] = "[Pp]roxy: no%-host%.invalid PEER",
    ["http://me:sesame@127.0.0.1"] = "the proxy must be a URL like",
    ["http://me:sesame@127.0.0.1:port"] = "the proxy must be a URL like",
    ["http://me:sesame@127.0.0.1:"] = "the proxy must be a URL like",
    ["http://me:ses\1ame@127.0.0.1:80"] = "the proxy must be a URL like",
  } do
    it("is refused without its password: " .. ("%q"):format(proxy), function()
      local res = assert(http.get(n.url .. "/cache/g/" .. http.escape(proxy), { timeout = 30 }))
      assert.matches(expected, res.body)
      assert.is_nil(res.body:find("sesame", 1, true), res.body)
    end)
  end
end)
