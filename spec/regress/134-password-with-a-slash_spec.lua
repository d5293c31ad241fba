-- SPDX-License-Identifier: MIT

-- A password in a URL may have a slash that is not escaped. Its first part stands then where a port
-- does, and the messages of http showed it.

local node = require "support.node"
local rig = require "node.rig"

local SCRIPT = [[
local groupcache = require "groupcache"
local http = require "groupcache.http"
groupcache.group("get", { getter = function(url) return http.get(url, { timeout = 1 }) end })
]]

describe("a password with a slash", function()
  local n

  setup(function()
    n = node.start { script = SCRIPT, args = { "--workers", 1 } }
  end)

  teardown(function()
    rig.stop(n)
  end)

  local function message(url)
    local res = assert(n:get("get", url))
    assert.equal(502, res.status, res.body)
    return res.body
  end

  for url, host in pairs {
    ["http://nobody.invalid:secret/word@127.0.0.1:9/x"] = "nobody.invalid",
    ["http://nobody.invalid:secret?word@127.0.0.1:9/x"] = "nobody.invalid",
    ["http://nobody.invalid:7777/word@127.0.0.1:9/x"] = "nobody.invalid",
    ["http://[::1]:secret/word@127.0.0.1:9/x"] = "[::1]",
  } do
    it("is not shown of " .. url, function()
      local text = message(url)
      assert.matches('"' .. host .. ": ", text, 1, true)
      assert.is_nil(text:find "secret" or text:find "7777", text)
    end)
  end

  it("is not taken for a port", function()
    assert.matches('"127.0.0.1:9: ', message "http://user:word@127.0.0.1:9/x", 1, true)
    assert.matches('"[::1]:9: ', message "http://user:word@[::1]:9/x", 1, true)
  end)
end)
