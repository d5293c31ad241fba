-- SPDX-License-Identifier: MIT

-- When the name of a peer got another address, libcurl went on with the old one for a minute: the
-- peer's keys were loaded elsewhere, and changes were not confirmed.

local node = require "support.node"
local ports = require "support.ports"
local process = require "support.process"
local rig = require "node.rig"
local socket = require "socket"
local tmp = require "support.tmp"

local SCRIPT = [[
local groupcache = require "groupcache"
groupcache.group("g", { hot = "never", writable = true,
  getter = function() return os.getenv "ANSWER" end })
]]

local SOON_S = 20 -- from the first connection that is refused

describe("a peer whose name gets another address", function()
  if process.run({ "unshare", "-rm", "true" }).code ~= 0 then
    return pending "needs namespaces"
  end

  local dir, port, name, first, second, asking

  local function moves_to(address)
    tmp.write(dir .. "/hosts", ("127.0.0.1 localhost\n%s moves.test\n"):format(address))
  end

  local function start(address)
    return node.start { script = SCRIPT, host = address, port = port, self = name,
      peers = { asking.url, name }, env = { ANSWER = address } }
  end

  setup(function()
    dir = tmp.dir()
    port = ports.free()
    name = ("http://moves.test:%d"):format(port)
    moves_to "127.0.0.2"
    tmp.write(dir .. "/groupcached", ([[
      exec unshare -rm sh -c 'mount --bind %s/hosts /etc/hosts && exec "$@"' sh %s "$@"
    ]]):format(dir, node.binary):gsub("^%s*", "#!/bin/sh\n"))
    assert.equal(0, process.run({ "chmod", "755", dir .. "/groupcached" }).code)
    local at = ports.free()
    asking = node.start { script = SCRIPT, program = dir .. "/groupcached", port = at,
      peers = { "http://127.0.0.1:" .. at, name }, env = { ANSWER = "asking" } }
    first = start "127.0.0.2"
  end)

  teardown(function() rig.stop_all { first, second, asking } end)

  local function key(i)
    return rig.owned_by({ asking.url, name }, name, "k" .. i)
  end

  it("is followed soon, by loads and by changes", function()
    assert.equal("127.0.0.2", assert(asking:get("g", key(1))).body)
    rig.stop(first)
    first = nil
    second = start "127.0.0.3"
    moves_to "127.0.0.3"
    local began, i, got = socket.gettime(), 1
    repeat
      i = i + 1
      got = assert(asking:get("g", key(i)))
      assert.equal(200, got.status)
    until got.body == "127.0.0.3" or socket.gettime() > began + 2 * SOON_S
    local took = socket.gettime() - began
    assert.equal("127.0.0.3", got.body)
    assert(took < SOON_S, ("%.2f s"):format(took))
    assert.equal(204, assert(asking:get("g", key(i), { method = "PUT", body = "set" })).status)
    assert.equal("set", assert(asking:get("g", key(i))).body)
  end)
end)
