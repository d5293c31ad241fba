-- SPDX-License-Identifier: MIT

-- The output of a script into a pipe or a file was seen when the node ended. The output of a killed
-- node was never seen.

local eventually = require "support.eventually"
local http = require "support.http"
local node = require "support.node"
local ports = require "support.ports"
local process = require "support.process"
local tmp = require "support.tmp"
local unistd = require "posix.unistd"

describe("what a script prints", function()
  it("is in the file at once, as it is loaded and in a getter", function()
    local n = node.start { args = { "--workers", "1" }, script = [[
      print "loaded"
      require("groupcache").group("g", { getter = function(key)
        print("got " .. key)
        io.write("half a line of ", key)
        io.write("\n")
        return key
      end })
    ]] }
    local function printed()
      return tmp.read(n.dir .. "/stdout")
    end
    assert.equal("loaded\nloaded\n", printed())
    assert(n:get("g", "a"))
    assert.equal("loaded\nloaded\ngot a\nhalf a line of a\n", printed())
    n:kill9()
  end)
end)

describe("a stdout that nobody reads", function()
  it("does not keep the node from its end", function()
    local reader, writer = unistd.pipe()
    local port = ports.free()
    local path = tmp.file([[
      require("groupcache").group("g", { timeout = 0.2, getter = function(key)
        if key == "much" then
          for _ = 1, 3000 do print(("x"):rep(99)) end
        end
        return key
      end })
    ]], "node.lua")
    local p = process.spawn { node.binary, path, "--listen", "127.0.0.1:" .. port,
      stdout = "/proc/self/fd/" .. writer, stderr = tmp.dir() .. "/log" }
    local url = ("http://127.0.0.1:%d"):format(port)
    eventually(function() return http.get(url .. "/readyz").status == 200 end, 20, "it is up")
    assert.equal(504, assert(http.get(url .. "/cache/g/much")).status)
    p:kill "SIGTERM"
    assert.equal(0, p:wait(8))
    unistd.close(reader)
    unistd.close(writer)
  end)
end)
