-- SPDX-License-Identifier: MIT

-- The group of a request is looked up when its first line is there. With TLS the rest of the head
-- may come after a reload that removed the group, whose old value was the answer.

local certs = require "support.certs"
local eventually = require "support.eventually"
local fcntl = require "posix.fcntl"
local node = require "support.node"
local process = require "support.process"
local rig = require "node.rig"
local stat = require "posix.sys.stat"
local tmp = require "support.tmp"
local unistd = require "posix.unistd"

local function script(name)
  return ([[
local groupcache = require "groupcache"
groupcache.group(%q, { getter = function() return "value" end })
]]):format(name)
end

describe("a head that comes in two parts", function()
  local n, path, input, output, client

  setup(function()
    local ca = certs.ca "the cluster"
    local own = ca:issue()
    path = tmp.file(script "g", "node.lua")
    n = node.start { script = path, args = { "--http-threads", "1" },
      tls = { cert = own.cert, key = own.key, ca = ca.path, client_auth = "none" } }
  end)
  teardown(function() rig.stop(n) end)

  local function reload(name)
    tmp.write(path, script(name))
    rig.reload { n }
  end

  -- Waits for as many answers.
  local function statuses(count)
    local found
    eventually(function()
      found = {}
      for status in tmp.read(output):gmatch "HTTP/1.1 (%d+)" do
        found[#found + 1] = tonumber(status)
      end
      return #found == count
    end, 10, "there are " .. count .. " answers")
    return found
  end

  before_each(function()
    local dir = tmp.dir()
    local fifo = dir .. "/fifo"
    output = tmp.file("", "output")
    assert(stat.mkfifo(fifo, 384)) -- 0600
    input = assert(fcntl.open(fifo, fcntl.O_RDWR))
    client = process.spawn { "openssl", "s_client", "-quiet", "-connect", "127.0.0.1:" .. n.port,
      stdin = fifo, stdout = output, stderr = dir .. "/errors" }
    reload "g"
    unistd.write(input, "GET /cache/g/k HTTP/1.1\r\nHost: h\r\n\r\nGET /cache/g/k HTTP/1.1\r\n")
    assert.same({ 200 }, statuses(1))
    -- The thread has parsed the line once it has served others.
    for _ = 1, 5 do
      assert.equal(200, n:curl { "/cache/g/k" }.status)
    end
  end)

  after_each(function()
    client:stop(9)
    unistd.close(input)
  end)

  it("has no value of a group that a reload between them removed", function()
    reload "other"
    unistd.write(input, "Host: h\r\n\r\n")
    assert.same({ 200, 404 }, statuses(2))
  end)

  it("has the value of a group of that name that came since", function()
    reload "other"
    reload "g"
    assert.equal(0, n:stats().groups.g.gets)
    unistd.write(input, "Host: h\r\n\r\n")
    assert.same({ 200, 200 }, statuses(2))
    assert.equal(1, n:stats().groups.g.gets)
  end)
end)
