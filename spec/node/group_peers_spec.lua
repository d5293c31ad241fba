-- SPDX-License-Identifier: MIT

-- Groups that have a list of peers of their own, beside the node's.

local eventually = require "support.eventually"
local node = require "support.node"
local ports = require "support.ports"
local rig = require "node.rig"
local tmp = require "support.tmp"

describe("a group's own peers", function()
  local urls, a, b, key

  -- `options` are the group's, Lua source, in which A and B stand for the URLs.
  local function script(who, options)
    return ([[
      local A, B = %q, %q
      local groupcache = require "groupcache"
      local function getter(key) return "%s:" .. key end
      groupcache.group("plain", { getter = getter, hot = "never" })
      groupcache.group("own", { getter = getter, hot = "never", %s })
    ]]):format(urls[1], urls[2], who, options)
  end

  local function start(options, of_nodes)
    local mine, other = ports.free(), ports.free()
    urls = { "http://127.0.0.1:" .. mine, "http://127.0.0.1:" .. other }
    key = rig.owned_by(urls, urls[2], "k")
    a = node.start { port = mine, script = script("a", options), peers = of_nodes and urls }
    b = node.start { port = other, script = script("b", options), peers = of_nodes and urls }
  end

  local function get(group, k)
    local res = assert(a:get(group, k))
    return res.headers["x-cache"] .. " " .. res.body
  end

  after_each(function()
    rig.stop_all { a, b }
    a, b = nil, nil
  end)

  it("share its keys among them, while the node is alone for the others", function()
    start "peers = { A, B }"
    assert.equal("peer b:" .. key, get("own", key))
    assert.equal("local a:" .. key, get("plain", key))
    local stats = a:stats()
    assert.same({}, stats.peers)
    assert.is_nil(stats.groups.plain.peers)
    local shares = 0
    for _, peer in ipairs(stats.groups.own.peers) do
      shares, peer.share, peer.up = shares + peer.share, nil, nil
    end
    assert.near(1, shares, 1e-5)
    assert.same({ { url = urls[1], self = true, loads = 0, errors = 0, batches = 0, ours = false,
      state = "fine", ejections = 0, hedges = 0, view = "unknown" },
      { url = urls[2], self = false, loads = 1, errors = 0, batches = 0, ours = true,
        state = "fine", ejections = 0, hedges = 0, view = "same" } },
      stats.groups.own.peers)
  end)

  it("may be an empty list, in a node with peers", function()
    start("peers = {}", true)
    assert.equal("local a:" .. key, get("own", key))
    assert.equal("peer b:" .. key, get("plain", key))
    assert.same({}, a:stats().groups.own.peers)
  end)

  it("come, change and go with a reload", function()
    start "ttl = 0"
    local reloads = 0
    local function reload(options)
      reloads = reloads + 1
      tmp.write(a.script, script("a", options))
      a:signal "SIGHUP"
      eventually(function()
        return select(2, a:log():gsub('msg="[not ]*reloaded', "")) == reloads
      end, 10, "the reload")
      key = rig.owned_by(urls, urls[2], "r" .. reloads)
    end
    assert.equal("local a:" .. key, get("own", key))
    reload "peers = { A, B }"
    assert.equal("peer b:" .. key, get("own", key))
    reload "peers = { B }"
    assert.matches([[group \x22own\x22: self]], a:log(), 1, true)
    assert.equal("peer b:" .. key, get("own", key))
    reload "peers = { A }"
    assert.equal("local a:" .. key, get("own", key))
    reload "peers = { A, B }"
    assert.equal("peer b:" .. key, get("own", key))
    reload "ttl = 0"
    assert.equal("local a:" .. key, get("own", key))
    assert.is_nil(a:stats().groups.own.peers)
  end)

  it("go with the group, and are not another's that comes then", function()
    start "peers = { A, B }"
    local function groups(names)
      local before = select(2, a:log():gsub('msg="reloaded', ""))
      local source = script("a", "peers = { A, B }"):gsub("groupcache%.group%(\"own\".-\n", "")
      for name, options in pairs(names) do
        source = source .. ('\ngroupcache.group("%s", { getter = getter, hot = "never", %s })')
          :format(name, options)
      end
      tmp.write(a.script, source)
      a:signal "SIGHUP"
      eventually(function()
        return select(2, a:log():gsub('msg="reloaded', "")) > before
      end, 10, "the reload")
    end
    groups {}
    assert.equal(404, assert(a:get("own", key)).status)
    groups { other = "ttl = 0" }
    assert.equal("local a:" .. key, get("other", key))
    groups { other = "ttl = 0", own = "peers = { A, B }" }
    assert.equal("peer b:" .. key, get("own", key))
    assert.is_nil(a:stats().groups.other.peers)
  end)

  it("are checked like the node's, and refused by name", function()
    local port = ports.free()
    urls = { "http://127.0.0.1:" .. port, "http://127.0.0.1:1" }
    for options, message in pairs {
      ["peers = { B }"] = ('group "own": self %q is not in the peer list'):format(urls[1]),
      ["peers = { A, A }"] = ('group "own": peer %q is listed twice'):format(urls[1]),
      ["peers = { A, A .. '/' }"] = ('group "own": peer "%s/" must end after host and port')
        :format(urls[1]),
      ["peers = { A .. '\\n' .. B }"] = "node.lua:5: group \"own\": peer ",
      ["peers = A"] = 'node.lua:5: group "own": peers is "http',
      ["peers = { A, 'http://' .. 'h' .. tostring({}):match '%x+$' }"] =
        'group "own" is not the same in every VM: peers at',
    } do
      local ok, err = pcall(node.start, { port = port, script = script("a", options) })
      assert.is_false(ok, options)
      assert.matches("ended (1)", err, 1, true)
      assert.matches(message, err, 1, true)
    end
  end)
end)
