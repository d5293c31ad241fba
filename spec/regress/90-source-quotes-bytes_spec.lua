-- SPDX-License-Identifier: MIT

-- An error of a source of peers is in /stats, and may quote what the source has answered. Bytes
-- that are no UTF-8 made all of /stats useless to JSON readers; a very long error ended the keeper
-- of the list again and again.

local cjson = require "cjson"
local eventually = require "support.eventually"
local http = require "support.http"
local listed = require "discover.listed"
local node = require "support.node"
local rig = require "node.rig"

describe("an error of a source of peers", function()
  local n

  after_each(function() rig.stop(n) end)

  local function start(text)
    n = node.start { script = listed.script .. ([[
      local calls = 0
      return { peers = function(ctx)
        calls = calls + 1
        if calls > 1 then return nil, %s end
        return { ctx.self }, nil, 0.1
      end }
    ]]):format(text), args = { "--workers", "1" } }
    eventually(function() return listed.source(n).errors > 0 end, listed.patience)
  end

  it("is ASCII in /stats, whatever the source has said", function()
    start [["it said \255\0\228"]]
    local body = assert(http.get(n.admin .. "/stats")).body
    assert.is_nil(body:find "[\128-\255]")
    assert.equal("it said \195\191\0\195\164", cjson.decode(body).sources[1].last_error)
  end)

  it("is cut, and the list is looked at on", function()
    start [[("x"):rep(2 ^ 21)]]
    assert.equal(500, #listed.source(n).last_error)
    assert.is_nil((n:log():find("a background function failed", 1, true)))
  end)
end)
