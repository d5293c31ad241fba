-- SPDX-License-Identifier: MIT

-- A mistake in the options of http.json raised at a line of the library, not at the script's. So
-- did a query with a value of megabytes.

local node = require "support.node"
local rig = require "node.rig"

local SCRIPT = [[
local groupcache = require "groupcache"
local http = require "groupcache.http"
local calls = {
  type = function() return (http.json("http://127.0.0.1:1/", 5)) end,
  field = function() return (http.json("http://127.0.0.1:1/", { colour = "red" })) end,
  engine = function() return (http.json("http://127.0.0.1:1/", { timeout = -1 })) end,
  get = function() return (http.get("http://127.0.0.1:1/", { timeout = -1 })) end,
  request = function() return (http.request { url = "http://127.0.0.1:1/", timeout = -1 }) end,
  query = function() return (http.get("http://h/", { query = { a = ("x"):rep(2e6) } })) end,
}
groupcache.group("raised", { getter = function(key)
  return select(2, pcall(calls[key]))
end })
]]

describe("a mistake in the use of http", function()
  local n

  setup(function() n = node.start { script = SCRIPT } end)
  teardown(function() rig.stop(n) end)

  it("raises at the line of the script", function()
    for key, expected in pairs {
      type = "node%.lua:4: http%.json: the options are a number, and must be a table",
      field = "node%.lua:5: http%.request: unknown field \"colour\"",
      engine = "node%.lua:6: http%.request: timeout is %-1", get = "node%.lua:7: ",
      request = "node%.lua:8: ",
      query = "node%.lua:9: http%.request: query: a name or a value has more than 1048576 bytes",
    } do
      assert.matches(expected, assert(n:get("raised", key)).body, nil, nil, key)
    end
  end)
end)
