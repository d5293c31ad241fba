-- SPDX-License-Identifier: MIT

-- `groupcached run-getter` used the peers of a group: a source registered the node of the try, so
-- that a cluster sent it loads for a moment, and a typed peer ran the getter in its place.

local node = require "support.node"
local process = require "support.process"
local rig = require "node.rig"
local tmp = require "support.tmp"

local function try(script, group, key)
  return process.run { node.binary, "run-getter", tmp.file(script, "node.lua"), group, key,
    timeout = 30 }
end

describe("groupcached run-getter", function()
  it("asks no source of a group's peers, and registers nowhere", function()
    local out = try([[
      local function said(word) io.stderr:write(word, "\n") end
      local source = { name = "mine",
        look = function(_, ctx) said "LOOK" return { ctx.self } end,
        tend = function() said "TEND" return 5 end,
        leave = function() said "LEAVE" end }
      require("groupcache").group("g", { peers = source, getter = function(key) return key end })
    ]], "g", "k")
    assert.same({ 0, "k\n" }, { out.code, out.stdout }, out.stderr)
    assert.is_nil(out.stderr:find "%u%u%u%u")
  end)

  it("asks no peer of a group for the value", function()
    local other = node.start { script = [[
      require("groupcache").group("g", { getter = function() return "of a peer" end })
    ]] }
    local script = ([[
      local self = "http://127.0.0.1:1"
      require("groupcache").group("g", { peers = { self, %q },
        getter = function() return "here" end })
      return { self = self }
    ]]):format(other.url)
    local said = {}
    for i = 1, 8 do
      said[i] = try(script, "g", "k" .. i).stdout
    end
    rig.stop(other)
    for i = 1, 8 do
      assert.equal("here\n", said[i])
    end
  end)
end)
