-- SPDX-License-Identifier: MIT

-- A reload that made an HTTP cache a plain group kept its messages, which getters and clients then
-- had for values; and the other way round.

local eventually = require "support.eventually"
local node = require "support.node"
local rig = require "node.rig"
local tmp = require "support.tmp"

local ORIGIN = [[
local groupcache = require "groupcache"
groupcache.group("pages", { ttl = 600, getter = function(key) return "page " .. key end })
]]

local CACHE = [[
local groupcache = require "groupcache"
groupcache.group("g", groupcache.http.cache("%s"))
]]

local PLAIN = [[
local groupcache = require "groupcache"
groupcache.group("g", { getter = function(key) return "plain " .. key end })
]]

describe("a reload", function()
  local nodes

  before_each(function()
    nodes = {}
  end)

  after_each(function()
    rig.stop_all(nodes)
  end)

  local function items()
    return nodes[2]:stats().groups.g.main.items
  end

  local function get()
    return assert(nodes[2]:request { target = "/cache/g/cache/pages/a" }).body
  end

  it("keeps no values of a group that becomes an HTTP cache, or is one no more", function()
    nodes[1] = node.start { script = ORIGIN }
    local script = tmp.file(CACHE:format(nodes[1].url), "node.lua")
    nodes[2] = node.start { script = script }
    assert.equal("page a", get())
    assert.is_true(items() > 0)
    for i, source in ipairs { PLAIN, CACHE:format(nodes[1].url) } do
      tmp.write(script, source)
      nodes[2]:signal "SIGHUP"
      eventually(function()
        return select(2, nodes[2]:log():gsub('msg="?reloaded', "")) == i
      end, 10, "it has reloaded")
      assert.equal(0, items())
      assert.equal(i == 1 and "plain cache/pages/a" or "page a",
        get())
    end
  end)
end)
