-- SPDX-License-Identifier: MIT

-- While a node was stopped, each change of a key that it owned took half of the group's timeout.
-- Changes did not look at the health of peers, and did not add to it.

local eventually = require "support.eventually"
local fake = require "node.fake"
local node = require "support.node"
local ports = require "support.ports"
local rig = require "node.rig"
local socket = require "socket"

local TIMEOUT_S = 20

local SCRIPT = [[
  require("groupcache").group("g", { writable = true, timeout = 20,
    getter = function(key) return key end })
  return { workers = 1, http_threads = 1 }
]]

-- The status of a removal, and the seconds that it took.
local function remove(n, key)
  local began = socket.gettime()
  local res = assert(n:get("g", key, { method = "DELETE", timeout = TIMEOUT_S * 2 }))
  return res.status, socket.gettime() - began, res.body
end

describe("a change beside a node", function()
  local nodes, urls

  before_each(function()
    nodes = node.cluster(3, { script = SCRIPT })
    urls = { nodes[1].url, nodes[2].url, nodes[3].url }
  end)

  after_each(function()
    rig.stop_all(nodes)
  end)

  -- A node out of use has little time to confirm, and the machine may have other work.
  local function confirms(key)
    eventually(function() return remove(nodes[1], key) == 204 end, 20, "all have confirmed")
  end

  it("that is stopped waits until it is out of use, and then no more", function()
    local theirs = rig.owned_by(urls, urls[3], "k")
    nodes[3]:freeze()
    local status, took = remove(nodes[1], theirs)
    assert.equal(502, status)
    assert(took < TIMEOUT_S / 2, took)
    assert.equal("ejected", rig.peer(nodes[1], urls[3]).state)
    local began = socket.gettime()
    for i = 1, 20 do
      local owner = urls[1 + i % 3]
      local code, _, body = remove(nodes[1], rig.owned_by(urls, owner, "k" .. i))
      assert.equal(502, code)
      assert.matches("1 node did not confirm, the first is " .. urls[3], body, 1, true)
    end
    assert(socket.gettime() - began < TIMEOUT_S / 2)
    assert(nodes[1]:stats().unconfirmed >= 1)
    nodes[3]:signal "SIGCONT"
    eventually(function() return nodes[1]:stats().unconfirmed == 0 end, 40, "it has confirmed")
    confirms(theirs)
  end)

  it("that was killed puts it out of use", function()
    nodes[3]:kill9()
    local status, took = remove(nodes[1], rig.owned_by(urls, urls[1], "k"))
    assert.equal(502, status)
    assert(took < TIMEOUT_S / 2, took)
    eventually(function() return rig.peer(nodes[1], urls[3]).state == "ejected" end)
  end)

  it("that is well again is confirmed", function()
    local port = nodes[3].port
    nodes[3]:kill9()
    remove(nodes[1], rig.owned_by(urls, urls[1], "k"))
    eventually(function() return rig.peer(nodes[1], urls[3]).state == "ejected" end)
    nodes[3] = node.start { script = SCRIPT, port = port, peers = urls, self = urls[3] }
    confirms(rig.owned_by(urls, urls[3], "k"))
  end)
end)

describe("a node that lives", function()
  it("may take its time for a change", function()
    local f = fake.start [[
      return function(request, c)
        if request.method == "POST" then c:sleep(2.5) end
        c:send("HTTP/1.1 200 OK\r\nX-Groupcache-Node: 1\r\nContent-Length: 0\r\n\r\n")
      end
    ]]
    local port = ports.free()
    local url = "http://127.0.0.1:" .. port
    local n = node.start { port = port, self = url, peers = { url, f.url }, script = SCRIPT }
    local status, took = remove(n, rig.owned_by({ url, f.url }, f.url, "k"))
    assert.equal(204, status)
    assert(took >= 2.4, took)
    assert.same({ "fine", 0 }, { rig.peer(n, f.url).state, rig.peer(n, f.url).ejections })
    rig.stop(n)
    f:stop()
  end)
end)
