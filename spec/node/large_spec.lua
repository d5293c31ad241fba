-- SPDX-License-Identifier: MIT

-- Values of many megabytes: their tags, their parts, what is said of those that are not kept, and
-- the memory that they take on their way.

local eventually = require "support.eventually"
local http = require "support.http"
local node = require "support.node"
local rig = require "node.rig"
local tmp = require "support.tmp"

local MB = 1000 * 1000
local BYTES = 60 * MB

local SCRIPT = [[
local groupcache = require "groupcache"
local O = { cache_bytes = "16MB", max_value_bytes = "100MB", writable = true, timeout = 60 }
O.getter = function(key)
  return ("0123456789"):rep(tonumber(key:match "^%d+") / 10)
end
groupcache.group("small", O)
O.cache_bytes = "1GB"
groupcache.group("large", O)
O.getter = function(key)
  local http = require "groupcache.http"
  local res, err = http.get(os.getenv "ORIGIN" .. "/cache/large/" .. key, { max_bytes = 1e8 })
  return res and res.body, err
end
groupcache.group("fetched", O)
return { workers = 1, http_threads = 1, vm_bytes = "400MB" }
]]

-- The most memory that a process has had, in bytes.
local function peak(n)
  return tonumber(tmp.read(("/proc/%d/status"):format(n.process.pid)):match "VmHWM:%s*(%d+)") * 1024
end

describe("a large value", function()
  local nodes

  before_each(function()
    nodes = {}
  end)

  after_each(function()
    rig.stop_all(nodes)
  end)

  local function start(n, origin)
    nodes = node.cluster(n, { script = SCRIPT, env = { ORIGIN = origin } })
  end

  local function get(i, key, headers, method)
    return assert(http.get(nodes[i].url .. "/cache/" .. key, { headers = headers, timeout = 60,
      method = method }))
  end

  it("over 8 MiB has a tag, and is given in parts", function()
    start(1)
    for _, key in ipairs { "large/20000000", "small/9000000" } do
      local tag = get(1, key, nil, "HEAD").headers.etag
      assert.matches('^"%x+"$', tag)
      assert.equal(304, get(1, key, { ["If-None-Match"] = tag }).status)
      local part = get(1, key, { Range = "bytes=8388613-8388617", ["If-Range"] = tag })
      assert.same({ 206, "34567" }, { part.status, part.body })
    end
  end)

  it("that is not kept is told of once, with what would keep it", function()
    start(1)
    get(1, "small/9000000", nil, "HEAD")
    local pattern = 'msg="a value is too large to be kept, a larger cache_bytes keeps it" '
      .. "group=small bytes=%d+ cache_bytes=16000000 needed=(%d+)"
    eventually(function() return nodes[1]:logged(pattern) end, 10, "it is told")
    get(1, "small/9500000", nil, "HEAD")
    get(1, "small/20000000", nil, "HEAD")
    eventually(function()
      return nodes[1]:logged(pattern:gsub("%(%%d%+%)", "16%%d+"))
    end, 10, "a larger one is told")
    assert.is_nil(nodes[1]:logged(pattern:gsub("%(%%d%+%)", "76%%d+")))
  end)

  -- Twice the value: what brings it, and the item. What a worker or the server has beside is some
  -- megabytes.
  local function check(n, before)
    local took = peak(n) - before
    assert.is_true(took <= 2.2 * BYTES + 12 * MB, ("%.2f x"):format(took / BYTES))
  end

  it("takes 2.2 times its size at most, of a getter that fetches it", function()
    start(1)
    local origin = table.remove(nodes)
    start(1, origin.url)
    nodes[2] = origin
    get(2, "large/" .. BYTES, nil, "HEAD")
    local before = peak(nodes[1])
    local res = get(1, "fetched/" .. BYTES, nil, "HEAD")
    assert.same({ 200, tostring(BYTES) }, { res.status, res.headers["content-length"] })
    check(nodes[1], before)
  end)

  it("takes 2.2 times its size at most, of a client that sets it", function()
    start(1)
    local before = peak(nodes[1])
    local res = assert(http.request { host = nodes[1].host, port = nodes[1].port, method = "PUT",
      target = "/cache/large/k", body = ("v"):rep(BYTES), timeout = 60 })
    assert.equal(204, res.status)
    check(nodes[1], before)
    assert.equal(tostring(BYTES), get(1, "large/k", nil, "HEAD").headers["content-length"])
  end)

  it("takes 2.2 times its size at most, of a peer", function()
    start(2)
    local i = 0
    repeat i = i + 1 until rig.owner(rig.urls(nodes), BYTES .. "-" .. i) == rig.urls(nodes)[1]
    local key = ("large/%d-%d"):format(BYTES, i)
    get(1, key, nil, "HEAD")
    local before = { peak(nodes[1]), peak(nodes[2]) }
    assert.equal(200, get(2, key, nil, "HEAD").status)
    check(nodes[1], before[1])
    check(nodes[2], before[2])
  end)
end)
