-- SPDX-License-Identifier: MIT

-- A SIGTERM to `groupcached top` left the terminal without echo and on the other screen, since only
-- the end of the view undid what its start had done.

local eventually = require "support.eventually"
local node = require "support.node"
local process = require "support.process"
local rig = require "node.rig"
local tmp = require "support.tmp"

describe("groupcached top", function()
  it("gives the terminal back when a signal ends it", function()
    local n = node.start { script = [[
      require("groupcache").group("g", { getter = function() return "v" end })
    ]] }
    local dir = tmp.dir()
    local inner = tmp.file(([[#!/bin/sh
stty -g >%s/before
sh -c 'echo $$ >%s/pid; exec "$0" top --node "$1" --interval 60' %s %s
stty -g >%s/after
]]):format(dir, dir, node.binary, n.url, dir), "inner.sh")
    -- script(1) gives it a terminal.
    local seen = dir .. "/seen"
    local terminal = process.spawn { "script", "-qefc", "sh " .. inner, seen, stdout = "/dev/null",
      stdin = "/dev/null" }
    eventually(function()
      return (tmp.read(seen) or ""):find("\27[?1049h", 1, true)
    end, 20, "the view is open")
    local pid = tmp.read(dir .. "/pid"):match "%d+"
    assert.equal(0, process.run({ "kill", "-TERM", pid }).code)
    eventually(function()
      return not terminal:alive()
    end, 20, "the view has ended")
    assert.matches("\27[?1049l", tmp.read(seen), 1, true)
    assert.equal(tmp.read(dir .. "/before"), tmp.read(dir .. "/after"))
    assert.matches("%x+:", tmp.read(dir .. "/after"))
    rig.stop(n)
  end)
end)
