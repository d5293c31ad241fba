-- SPDX-License-Identifier: MIT

-- A `front` that named no HTTP cache passed `groupcached check` and a start; then each path of the
-- site was 404. A reload could also remove the front.

local eventually = require "support.eventually"
local node = require "support.node"
local process = require "support.process"
local rig = require "node.rig"
local tmp = require "support.tmp"

local SITE = [[
local groupcache = require "groupcache"
groupcache.group("site", groupcache.http.cache "http://127.0.0.1:1")
groupcache.group("pages", { getter = function(key) return key end })
]]
local PAGES = 'require("groupcache").group("pages", { getter = function(key) return key end })'

describe("the setting front", function()
  local function check(script, front)
    local path = tmp.dir() .. "/node.lua"
    tmp.write(path, script)
    return process.run { timeout = 30, node.binary, "check", path, "--front", front }
  end

  it("is wrong for `check` if there is no such group, or if it is no HTTP cache", function()
    assert.equal(0, check(SITE, "site").code)
    for _, name in ipairs { "sight", "pages" } do
      local out = check(SITE, name)
      assert.same({ 1, ('groupcached: front is "%s", and must be a group of '
        .. 'groupcache.http.cache(): here "site"\n'):format(name) }, { out.code, out.stderr })
    end
    assert.matches("the script defines none", check(PAGES, "pages").stderr, 1, true)
  end)

  it("is kept by a reload, which does not take a script without that group", function()
    local n = node.start { script = SITE, args = { "--front", "site" } }
    tmp.write(n.script, PAGES)
    n:signal "SIGHUP"
    eventually(function() return n:logged 'msg="not reloaded' end, 10, "the log says so")
    assert.equal(502, n:request { target = "/a" }.status) -- as before: its origin is not there
    rig.stop(n)
  end)
end)
