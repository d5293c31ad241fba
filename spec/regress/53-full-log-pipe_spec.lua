-- SPDX-License-Identifier: MIT

-- When nobody read the pipe that stderr was, each thread that wrote a log line waited for ever:
-- loads and gets stood still, and SIGTERM did not end the node.

local eventually = require "support.eventually"
local fcntl = require "posix.fcntl"
local http = require "support.http"
local node = require "support.node"
local ports = require "support.ports"
local process = require "support.process"
local socket = require "posix.sys.socket"
local tmp = require "support.tmp"
local unistd = require "posix.unistd"

local LINES = 3000

local SCRIPT = ([[
local groupcache = require "groupcache"
groupcache.group("g", { timeout = 5, getter = function(key)
  if key:find "^loud" then
    for i = 1, %d do groupcache.log("info", "a line of the getter", { i = i }) end
  end
  return key
end })
]]):format(LINES)

local function set_nonblocking(fd)
  fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) + fcntl.O_NONBLOCK)
end

local function start(stderr)
  local port = ports.free()
  local p = process.spawn { node.binary, tmp.file(SCRIPT, "node.lua"), "--listen",
    "127.0.0.1:" .. port, "--admin-listen", "127.0.0.1:" .. ports.free(), "--workers", "2",
    stderr_fd = stderr }
  local url = ("http://127.0.0.1:%d"):format(port)
  eventually(function() return http.get(url .. "/readyz").status == 200 end, 20, "it is up")
  return p, url
end

local function read_all(fd)
  local parts = {}
  repeat
    local part = unistd.read(fd, 65536)
    parts[#parts + 1] = part
  until not part or part == ""
  return table.concat(parts)
end

local OPEN = {
  ["a pipe"] = unistd.pipe,
  ["a socket"] = function()
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM, 0)
  end,
}

for what, open in pairs(OPEN) do
  describe("a node whose log is " .. what .. " that nobody reads", function()
    local p, url, reader, writer

    before_each(function()
      reader, writer = open()
      p, url = start(writer)
    end)

    after_each(function()
      p:kill "SIGKILL"
      p:wait(5)
      unistd.close(reader)
      unistd.close(writer)
    end)

    it("serves, loads, and ends by SIGTERM", function()
      for i = 1, 4 do
        assert.equal(200, assert(http.get(url .. "/cache/g/loud" .. i)).status)
      end
      assert.equal(200, assert(http.get(url .. "/cache/g/loud1")).status)
      p:kill "SIGTERM"
      assert.equal(0, p:wait(5))
    end)

    it("drops whole lines and says how many when they are read again", function()
      assert.equal(200, assert(http.get(url .. "/cache/g/loud")).status)
      set_nonblocking(reader)
      local log = read_all(reader)
      eventually(function()
        log = log .. read_all(reader)
        return log:find "lines were dropped"
      end, 5, "it says so")
      local dropped = tonumber(log:match 'msg="lines were dropped: nobody took them" lines=(%d+)\n')
      local kept = select(2, log:gsub('msg="a line of the getter"[^\n]* i=%d+\n', ""))
      -- The last line of the start may be among those that were dropped.
      assert.is_true(kept + dropped == LINES or kept + dropped == LINES + 1, kept + dropped)
      assert.is_true(kept > 0 and dropped > 0)
      assert.equal(200, assert(http.get(url .. "/cache/g/k")).status)
      p:kill "SIGTERM"
      assert.equal(0, p:wait(5))
      log = log .. read_all(reader)
      assert.matches('msg="stopped"', log, 1, true)
      for line in log:gmatch "[^\n]+" do
        if not line:find "^\n?time=" then
          assert(line:find "^%S* ?i=%d+$" or line:find "mod=", "a torn line: " .. line)
        end
      end
    end)

    it("leaves the descriptor as it is for others", function()
      assert.equal(200, assert(http.get(url .. "/cache/g/loud")).status)
      local flags = fcntl.fcntl(writer, fcntl.F_GETFL)
      assert.equal(0, require("bit").band(flags, fcntl.O_NONBLOCK))
    end)
  end)
end
