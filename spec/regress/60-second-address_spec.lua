-- SPDX-License-Identifier: MIT

-- A name with two addresses, the first of which does not answer: libcurl tried the second only as
-- the time to connect was over, so each load ended with TIMEOUT. When the first refused it waited
-- for 200 ms. Each address has half of the time that is left, for origins and for peers.

local node = require "support.node"
local ports = require "support.ports"
local process = require "support.process"
local rig = require "node.rig"
local socket = require "socket"
local tmp = require "support.tmp"

local SCRIPT = [[
local groupcache = require "groupcache"
local http = require "groupcache.http"

groupcache.group("origin", { local_only = true, getter = function(url)
  local res, err, code = http.get(url, { connect_timeout = 1 })
  if not res then return nil, err, code end
  return res.body, nil, 0
end })
groupcache.group("g", { getter = function() return os.getenv "ANSWER" end })
]]

-- In a node of this program two.test has the addresses 127.0.0.1 and 127.0.0.2, in this order.
local function with_two_addresses()
  local dir = tmp.dir()
  tmp.write(dir .. "/hosts", "127.0.0.1 localhost two.test\n127.0.0.2 two.test\n")
  tmp.write(dir .. "/groupcached", ([[
    exec unshare -rm sh -c 'mount --bind %s/hosts /etc/hosts && exec "$@"' sh %s "$@"
  ]]):format(dir, node.binary):gsub("^%s*", "#!/bin/sh\n"))
  assert.equal(0, process.run({ "chmod", "755", dir .. "/groupcached" }).code)
  return dir .. "/groupcached"
end

-- A listener that takes no more connections: who connects hears nothing.
local function silent(port)
  local held = { assert(socket.bind("127.0.0.1", port, 0)) }
  for i = 2, 5 do
    held[i] = assert(socket.tcp())
    held[i]:settimeout(0)
    held[i]:connect("127.0.0.1", port)
  end
  return held
end

describe("a name with two addresses", function()
  local n, hung, refused, held

  setup(function()
    hung = node.start { script = SCRIPT, host = "127.0.0.2", env = { ANSWER = "hung" } }
    refused = node.start { script = SCRIPT, host = "127.0.0.2", env = { ANSWER = "refused" } }
    held = silent(hung.port)
  end)

  teardown(function()
    for _, one in pairs { hung, refused, n } do
      rig.stop(one)
    end
    for _, sock in ipairs(held or {}) do
      sock:close()
    end
  end)

  local function url(of)
    return ("http://two.test:%d"):format(of.port)
  end

  -- A node that has these two as peers.
  local function start(...)
    local port = ports.free()
    return node.start { script = SCRIPT, program = with_two_addresses(), port = port,
      peers = { "http://127.0.0.1:" .. port, ... }, args = { "--connect-timeout", 1 },
      env = { ANSWER = "here" } }
  end

  if process.run({ "unshare", "-rm", "true" }).code ~= 0 then
    return pending "needs namespaces"
  end

  for name, most in pairs { hung = 0.9, refused = 0.15 } do
    it("is an origin, or a peer, at the second when the first is " .. name, function()
      local other = name == "hung" and hung or refused
      n = start(url(other))
      local began = socket.gettime()
      local res = assert(n:get("origin", url(other) .. "/cache/g/k"))
      assert.same({ 200, name }, { res.status, res.body })
      local took = socket.gettime() - began
      assert.is_true(took < most, took)
      local key = rig.owned_by({ n.url, url(other) }, url(other), "k")
      began = socket.gettime()
      res = assert(n:get("g", key))
      assert.same({ 200, name }, { res.status, res.body })
      took = socket.gettime() - began
      assert.is_true(took < most, took)
      assert.is_nil(n:log():find("cannot watch", 1, true))
      rig.stop(n)
      n = nil
    end)
  end
end)
