-- SPDX-License-Identifier: MIT

-- A node that was started without stdout or stderr gave their numbers to its sockets: log lines and
-- what getters print went into the connections of clients.

local http = require "support.http"
local node = require "support.node"
local ports = require "support.ports"
local process = require "support.process"
local tmp = require "support.tmp"
local eventually = require "support.eventually"

local SCRIPT = [[
local groupcache = require "groupcache"
groupcache.group("g", { getter = function(key)
  print "PRINTED"
  io.stdout:flush()
  io.stderr:write "WRITTEN\n"
  error "THROWN"
end })
]]

describe("a node that is started with closed standard descriptors", function()
  for _, closed in ipairs { "2>&-", ">&- 2>&-", "<&- >&- 2>&-", "<&-", ">&-" } do
    it("has /dev/null there and keeps its connections clean: " .. closed, function()
      local port, dir = ports.free(), tmp.dir()
      tmp.write(dir .. "/node.lua", SCRIPT)
      local p = process.spawn { "sh", "-c", 'exec "$0" "$@" ' .. closed, node.binary,
        dir .. "/node.lua", "--listen", "127.0.0.1:" .. port,
        stdout = dir .. "/out", stderr = dir .. "/err" }
      local url = ("http://127.0.0.1:%d"):format(port)
      eventually(function() return http.get(url .. "/readyz").status == 200 end, 20, "it is up")
      for fd = 0, 2 do
        local is = process.run({ "readlink", ("/proc/%d/fd/%d"):format(p.pid, fd) }).stdout
        assert.not_matches("socket", is)
        assert.not_matches("eventpoll", is)
        assert.not_matches("anon_inode", is)
      end
      local kept = {}
      for i = 1, 8 do
        kept[i] = assert(http.connect("127.0.0.1", port))
      end
      for i = 1, 8 do
        local res = assert(http.get(url .. "/cache/g/k" .. i))
        assert.equal(502, res.status)
        assert.matches("THROWN", res.body, 1, true)
      end
      for _, c in ipairs(kept) do -- the answer is the first that it is sent
        assert.equal(502, assert(c:request { target = "/cache/g/k" }).status)
        c:close()
      end
      p:kill "SIGTERM"
      assert.equal(0, p:wait(10))
    end)
  end
end)
