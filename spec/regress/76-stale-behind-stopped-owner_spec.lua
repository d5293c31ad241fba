-- SPDX-License-Identifier: MIT

-- An owner that was stopped cost each of its keys the whole timeout, although a stale value
-- was at hand, which stale_if_error allows to give.

local eventually = require "support.eventually"
local http = require "support.http"
local node = require "support.node"
local rig = require "node.rig"
local socket = require "socket"

local TTL, TIMEOUT_S = 1, 60
local BOUND_S = TIMEOUT_S / 4 -- 1.1 s where nobody else computes

local SCRIPT = ([[
local groupcache = require "groupcache"
local function getter(key) return key end
groupcache.group("if error", { ttl = 1, ttl_jitter = 0, hot = "always", stale_if_error = 60,
  timeout = %d,  getter = getter })
groupcache.group("while loading", { ttl = 1, ttl_jitter = 0, hot = "always",
  stale_while_revalidate = 60, timeout = %d, getter = getter })
return { workers = 1, http_threads = 1 }
]]):format(TIMEOUT_S, TIMEOUT_S)

describe("a stopped owner", function()
  local nodes, keys

  before_each(function()
    nodes, keys = node.cluster(2, { script = SCRIPT }), {}
    for i = 1, 6 do
      keys[i] = rig.owned_by({ nodes[1].url, nodes[2].url }, nodes[2].url, "key" .. i)
    end
  end)

  after_each(function()
    rig.stop_all(nodes)
  end)

  -- How long the slowest of the keys took while the owner is stopped and all copies are stale.
  local function slowest(group)
    for _, key in ipairs(keys) do
      assert.equal("peer", assert(nodes[1]:get(group, key)).headers["x-cache"])
    end
    local fresh_until = socket.gettime() + TTL
    nodes[2]:freeze()
    eventually(function() return socket.gettime() > fresh_until end)
    local tasks, took = {}, 0
    for i, key in ipairs(keys) do
      tasks[i] = function()
        local began = socket.gettime()
        local res = assert(nodes[1]:get(group, key, { timeout = 2 * TIMEOUT_S }))
        assert.same({ 200, key }, { res.status, res.body })
        took = math.max(took, socket.gettime() - began)
      end
    end
    http.together(tasks)
    return took
  end

  it("costs a key with a stale copy a small part of the timeout at first", function()
    local took = slowest "if error"
    assert(took < BOUND_S, ("%.2f s"):format(took))
  end)

  it("costs nothing where a stale value may be given at once", function()
    local took = slowest "while loading"
    assert(took < BOUND_S, ("%.2f s"):format(took))
  end)
end)
