-- SPDX-License-Identifier: MIT

-- "return http.get(url)" gives nil, message and code when it fails. The code was taken for a ttl,
-- and the getter's error said that instead of what had gone wrong. The code is passed on too.

local cjson = require "cjson"
local node = require "support.node"
local ports = require "support.ports"
local rig = require "node.rig"

describe("a getter that passes on what http.get or group:get returned", function()
  local n

  setup(function()
    n = node.start { script = [[
      local groupcache = require "groupcache"
      local http = require "groupcache.http"
      local other = groupcache.group("other", {
        getter = function(key) return nil, key ~= "none" and "no luck" or nil end,
      })
      groupcache.group("http", { getter = function(url) return http.get(url) end })
      groupcache.group("group", { getter = function(key) return other:get(key) end })
    ]] }
  end)

  teardown(function()
    rig.stop(n)
  end)

  it("fails with their message and code", function()
    local url = "http://127.0.0.1:" .. ports.free() .. "/"
    local body = cjson.decode(assert(n:get("http", url)).body)
    assert.equal("PEER", body.code)
    assert.matches("Failed to connect", body.error, 1, true)

    body = cjson.decode(assert(n:get("group", "key")).body)
    assert.same({ "GETTER", "no luck" }, { body.code, body.error })
  end)

  it("does so in a program without a node, too", function()
    local group = require("groupcache").group("passes on", {
      getter = function() return nil, "no luck", "PEER" end,
    })
    local value, message, code = group:get "key"
    assert.is_nil(value)
    assert.same({ "no luck", "PEER" }, { message, code })
  end)
end)
