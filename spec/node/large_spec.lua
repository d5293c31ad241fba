-- SPDX-License-Identifier: MIT

-- Values of many megabytes: their tags, their parts, and what is said of those that are not kept.

local eventually = require "support.eventually"
local http = require "support.http"
local node = require "support.node"
local ports = require "support.ports"
local rig = require "node.rig"

local SCRIPT = [[
local groupcache = require "groupcache"
local O = { cache_bytes = "16MB", max_value_bytes = "100MB", writable = true, timeout = 60 }
O.getter = function(key)
  return ("0123456789"):rep(tonumber(key:match "^%d+") / 10)
end
groupcache.group("small", O)
O.cache_bytes = "1GB"
groupcache.group("large", O)
return { workers = 1, http_threads = 1, vm_bytes = "400MB" }
]]

describe("a large value", function()
  local nodes

  before_each(function()
    nodes = {}
  end)

  after_each(function()
    rig.stop_all(nodes)
  end)

  local function start(n)
    local urls, at = {}, {}
    for i = 1, n do
      at[i] = ports.free()
      urls[i] = "http://127.0.0.1:" .. at[i]
    end
    for i = 1, n do
      nodes[i] = node.start { port = at[i], self = urls[i], peers = n > 1 and urls or nil,
        script = SCRIPT }
    end
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
end)
