-- SPDX-License-Identifier: MIT

-- URLs that no peer can have were taken: the node started, and every key of such a peer was a
-- failed load first. They are refused at the start and by `check`; node:set_peers() has the same
-- check, of base/url.c.

local node = require "support.node"
local ports = require "support.ports"
local process = require "support.process"
local tmp = require "support.tmp"

local IMPOSSIBLE = { "http://::1:8080", "http://[::g]:8080", "http://[::1", "http://[::1]8080",
  "http://:8080", "http://127.0.0.1:70000", "http://127.0.0.1:0", "http://127.0.0.1:0x50",
  "http://127.0.0.1:8080x", "http://127.0.0.1:", "http://127.0.0.1:80:90", "http://h\\x:80",
  "http://127.0.0.1:+80", "http://10.0.0.256:80", "http://a..b:80", "http://[127.0.0.1]:80" }

local SCRIPT = [[
local groupcache = require "groupcache"
groupcache.group("g", { getter = function(key) return key end })
]]

local function check(peer)
  local port = ports.free()
  local me = "http://127.0.0.1:" .. port
  local path = tmp.dir() .. "/node.lua"
  tmp.write(path, SCRIPT)
  return process.run { node.binary, "check", path, "--listen", "127.0.0.1:" .. port, "--self", me,
    "--peers", me .. "," .. peer, timeout = 20 },
    process.run { node.binary, path, "--listen", "127.0.0.1:" .. port, "--self", me,
      "--peers", me .. "," .. peer, timeout = 20 }
end

describe("a URL that no peer can have", function()
  for _, url in ipairs(IMPOSSIBLE) do
    it(("is refused: %s"):format(url), function()
      local checked, started = check(url)
      for _, r in ipairs { checked, started } do
        assert.equal(1, r.code, r.stderr)
        assert.truthy((r.stdout .. r.stderr):find(url, 1, true), r.stdout .. r.stderr)
      end
    end)
  end
end)
