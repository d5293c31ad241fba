-- SPDX-License-Identifier: MIT

-- Values that are removed by their tags, on all nodes: through changes that arrive late, nodes that
-- join or start again, and values that are handed over.

local eventually = require "support.eventually"
local node = require "support.node"
local ports = require "support.ports"
local rig = require "node.rig"
local tmp = require "support.tmp"

-- A key "NAME tag tag" has these tags; its value is the version of the source.
local SCRIPT = [[
local groupcache = require "groupcache"

local function version()
  local f = io.open(rig.dir .. "/version")
  local text = f and f:read "*a" or "1"
  if f then f:close() end
  return text
end

local o = { hot = "always", writable = true, timeout = 2 }
function o.getter(key)
  local tags, v = {}, version()
  rig.record(key) -- now the version is read, and may change
  for tag in key:gmatch "=(%S+)" do tags[#tags + 1] = tag end
  if key:find "^waits" then rig.gate(key:match "^%S+") end
  return { body = v, tags = tags }
end
local g = groupcache.group("g", o)

groupcache.group("remove", { timeout = 3, getter = function(key)
  local ok, message, code = g:remove_tag(key:match "^%d+ (.*)$")
  return { body = tostring(ok) .. "|" .. tostring(code), ttl = 0 }
end })

return { workers = 1, http_threads = 1 }
]]

describe("a tag that is removed", function()
  local r, nodes, urls, at, removals

  before_each(function()
    r, nodes, urls, at, removals = rig.new(), {}, {}, {}, 0
  end)

  after_each(function()
    rig.stop_all(nodes)
  end)

  local function begin(i, opts)
    local o = { port = at[i], self = urls[i], peers = #urls > 1 and urls or nil,
      script = r:script(SCRIPT) }
    for name, value in pairs(opts or {}) do
      o[name] = value
    end
    nodes[i] = node.start(o)
  end

  local function start(n, opts)
    for i = 1, n do
      at[i] = ports.free()
      urls[i] = "http://127.0.0.1:" .. at[i]
    end
    for i = 1, n do
      begin(i, opts)
    end
  end

  local function get(n, key)
    local res = assert(n:get("g", key))
    assert.equal(200, res.status)
    return res.body
  end

  local function remove(n, tag)
    removals = removals + 1
    return assert(n:get("remove", removals .. " " .. tag)).body
  end

  -- A key with these tags that node i owns.
  local function key(i, name, tags)
    return rig.key_of(nodes, i, name) .. " " .. tags
  end

  it("takes its values out of every node, and no others", function()
    start(3)
    local keys = {}
    for i = 1, 12 do
      keys[i] = ("key-%d =shop =user:%d"):format(i, i % 2)
    end
    for _, n in ipairs(nodes) do
      for _, k in ipairs(keys) do
        assert.equal("1", get(n, k))
      end
    end
    assert.equal(12, r:total())
    r:file("version", "2")
    assert.equal("true|nil", remove(nodes[2], "user:1"))
    for _, n in ipairs(nodes) do
      for i, k in ipairs(keys) do
        assert.equal(i % 2 == 1 and "2" or "1", get(n, k))
      end
    end
    assert.equal(18, r:total())
    r:file("version", "3")
    assert.equal("true|nil", remove(nodes[1], "shop"))
    for _, n in ipairs(nodes) do
      for _, k in ipairs(keys) do
        assert.equal("3", get(n, k))
      end
    end
    assert.equal(30, r:total())
  end)

  it("is told by POST, and by a change of a program", function()
    start(2)
    get(nodes[1], "a =x =y")
    get(nodes[2], "a =x =y")
    r:file("version", "2")
    local res = assert(nodes[1]:request { method = "POST", target = "/cache/g",
      body = '{"remove_tags": ["z", "y"]}' })
    assert.equal(204, res.status)
    assert.equal("2", get(nodes[1], "a =x =y"))
    assert.equal("2", get(nodes[2], "a =x =y"))
    res = assert(nodes[1]:request { method = "POST", target = "/cache/g",
      body = '{"remove_tags": [""]}' })
    assert.equal(400, res.status)
    res = assert(nodes[1]:request { method = "POST", target = "/cache/remove",
      body = '{"remove_tags": ["a"]}' })
    assert.equal(403, res.status)
    assert.equal("2", get(nodes[1], "a =x =y"))
  end)

  it("reaches a node that stood still, once it goes on", function()
    start(2)
    local k = "a =x"
    assert.equal("1", get(nodes[1], k))
    assert.equal("1", get(nodes[2], k))
    r:file("version", "2")
    nodes[2].process:freeze()
    assert.equal("nil|PEER", remove(nodes[1], "x"))
    nodes[2]:signal "SIGCONT"
    eventually(function() return get(nodes[2], k) == "2" end, 20)
    eventually(function() return get(nodes[1], k) == "2" end, 20)
  end)

  it("does not come back with a node that starts from a snapshot", function()
    at[1], at[2] = ports.free(), ports.free()
    urls[1], urls[2] = "http://127.0.0.1:" .. at[1], "http://127.0.0.1:" .. at[2]
    local path = tmp.dir() .. "/snapshot"
    begin(1, { args = { "--snapshot-path", path } })
    begin(2)
    local one, two = key(1, "a", "=x"), key(1, "b", "=y")
    assert.equal("1", get(nodes[1], one))
    assert.equal("1", get(nodes[1], two))
    rig.stop(nodes[1])
    r:file("version", "2")
    remove(nodes[2], "x")
    begin(1, { args = { "--snapshot-path", path } })
    assert.equal("2", get(nodes[1], one))
    assert.equal("1", get(nodes[1], two))
  end)

  it("is not in a snapshot that is written after its removal", function()
    start(1, { args = { "--snapshot-path", tmp.dir() .. "/snapshot" } })
    local opts = { args = nodes[1].args }
    assert.equal("1", get(nodes[1], "a =x"))
    assert.equal("1", get(nodes[1], "b =y"))
    r:file("version", "2")
    assert.equal("true|nil", remove(nodes[1], "x"))
    rig.stop(nodes[1])
    assert.matches("items=1", nodes[1]:log():match 'msg="written"[^\n]*')
    assert.is_nil(opts.args)
  end)

  it("is not handed over by a node that stops", function()
    start(2)
    local one, two = key(1, "a", "=x"), key(1, "b", "=y")
    get(nodes[1], one)
    get(nodes[1], two)
    r:file("version", "2")
    remove(nodes[1], "x")
    rig.stop(nodes[1])
    assert.equal("2", get(nodes[2], one))
    assert.equal("1", get(nodes[2], two))
    table.remove(nodes, 1)
  end)

  it("is not given by a load that began before, to those who ask after", function()
    start(2)
    local http = require "support.http"
    local k, values = rig.key_of(nodes, 1, "waits") .. " =x", {}
    local function ask(name)
      return function()
        values[name] = get(nodes[2], k)
      end
    end
    local name = k:match "^%S+"
    local removed = false
    http.together {
      ask "before",
      function()
        rig.wait(nodes[1], function() return r:calls()[k] == 1 end)
        r:file("version", "2")
        assert.equal("true|nil", remove(nodes[1], "x"))
        removed = true
        rig.wait(nodes[2], function() return nodes[2]:stats().groups.g.waiters >= 2 end)
        r:open(name)
      end,
      function()
        rig.wait(nodes[2], function() return removed end)
        ask "after"()
      end,
    }
    assert.equal("1", values.before)
    assert.equal("2", values.after)
    assert.equal("2", get(nodes[1], k))
  end)
end)
