-- SPDX-License-Identifier: MIT

-- The options of http.cache() took `key`, `query` and `vary` that a script set afterwards. Nobody
-- asked them, and the node said nothing.

local node = require "support.node"
local process = require "support.process"
local tmp = require "support.tmp"

describe("an HTTP cache", function()
  it("refuses rules for keys, also those that are set afterwards", function()
    for option, value in pairs { key = "print", query = '"key"', vary = '{ "accept" }' } do
      local script = tmp.file(([[
local groupcache = require "groupcache"
local options = groupcache.http.cache "http://127.0.0.1:1"
options.%s = %s
groupcache.group("web", options)]]):format(option, value), "wrong.lua")
      local out = process.run { node.binary, "check", script }
      assert.is_true(out.code ~= 0, option)
      assert.matches(('wrong.lua:4: group "web": %s is no option of an HTTP cache'):format(option),
        out.stdout .. out.stderr, 1, true)
    end
  end)
end)
