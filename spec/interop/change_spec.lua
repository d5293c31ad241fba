-- SPDX-License-Identifier: MIT

-- A Go node among those that a group asks for many keys, and that a change should reach.

local cjson = require "cjson"
local golang = require "interop.golang"
local node = require "support.node"
local ports = require "support.ports"
local rig = require "node.rig"

local SCRIPT = [[
local groupcache = require "groupcache"
local cjson = require "cjson"
local g = groupcache.group("interop", { hot = "always", getter = function(key)
  return "ours:" .. key
end })
groupcache.group("call", { local_only = true, timeout = 20, getter = function(key)
  local method, a, b = unpack(cjson.decode(key))
  local out = { g[method](g, a, b) }
  for i = 1, 4 do if out[i] == nil then out[i] = cjson.null end end
  return cjson.encode(out), nil, 0
end })
]]

describe("a Go node as a peer", function()
  local go, n, theirs, mine

  setup(function()
    go = golang.start()
    local port = ports.free()
    local peers = { "http://127.0.0.1:" .. port, go.url }
    go:set_peers(peers)
    n = node.start { script = SCRIPT, port = port, peers = peers }
    theirs, mine = {}, {}
    for i = 1, 50 do
      theirs[i] = rig.owned_by(peers, go.url, "theirs" .. i .. "-")
      mine[i] = rig.owned_by(peers, n.url, "mine" .. i .. "-")
    end
  end)

  teardown(function()
    rig.stop(n)
    go:kill9()
  end)

  local function call(...)
    local res = assert(n:get("call", cjson.encode { ... }, { timeout = 30 }))
    assert.equal(200, res.status, res.body)
    return unpack(cjson.decode(res.body))
  end

  it("gives many values, one by one, from the first time on", function()
    local all = {}
    for i, key in ipairs(theirs) do
      all[2 * i - 1], all[2 * i] = key, mine[i]
    end
    for _ = 1, 2 do
      local values, errors = call("get_many", all)
      assert.same({}, errors)
      for i, key in ipairs(theirs) do
        assert.equal("ours:" .. mine[i], values[mine[i]])
        assert.equal("v:" .. key, values[key])
        assert.equal(1, go:loads()[key])
      end
    end
    assert.is_false(n:stats().peers[2].ours)
  end)

  it("cannot be told of a change: it is named, and keeps what it has", function()
    for _, change in ipairs { { "set", theirs[1], "new" }, { "remove", theirs[1] },
      { "set", mine[1], "new" }, { "remove_many", theirs }, { "flush" } } do
      local ok, _, code, unconfirmed = call(unpack(change))
      assert.same({ cjson.null, "PEER", { go.url } }, { ok, code, unconfirmed })
      assert.equal("v:" .. theirs[1], n:get("interop", theirs[1]).body)
    end
    assert.equal(1, go:loads()[theirs[1]])
    assert.equal(0, n:stats().unconfirmed)
  end)

  it("asks a node of ours for what was set there", function()
    assert.equal("PEER", select(3, call("set", mine[2], "new")))
    assert.equal("new", go:get(mine[2]))
  end)
end)
