-- SPDX-License-Identifier: MIT

-- A snapshot of a node whose peers come from a source: the peers are known before it is read, so
-- that what was removed meanwhile does not come back.

local listed = require "discover.listed"
local ports = require "support.ports"
local rig = require "node.rig"
local tmp = require "support.tmp"

describe("a snapshot of a node whose peers come from a source", function()
  local a, b, source, r

  local function start(port, snapshot)
    local n = listed.start("file:" .. source, { port = port, script = r:script [[
      groupcache.group("g", { writable = true, getter = function(key)
        rig.record(key)
        return key
      end })
    ]]:gsub("groupcache.group", 'require("groupcache").group', 1), args = { "--peers",
      "file:" .. source, "--workers", "1", snapshot and "--snapshot-path", snapshot } })
    return n
  end

  before_each(function()
    r, source = rig.new(), tmp.dir() .. "/peers"
  end)

  after_each(function()
    rig.stop_all { a, b }
    a, b = nil, nil
  end)

  it("is read once they have been asked what has changed", function()
    local path, urls, port = tmp.dir() .. "/snapshot", {}, { ports.free(), ports.free() }
    for i = 1, 2 do
      urls[i] = "http://127.0.0.1:" .. port[i]
    end
    tmp.write(source, table.concat(urls, "\n") .. "\n")
    a, b = start(port[1], path), start(port[2])
    listed.wait(a, urls)
    listed.wait(b, urls)
    local kept = rig.owned_by(urls, urls[1], "kept")
    local gone = rig.owned_by(urls, urls[1], "gone")
    for _, key in ipairs { kept, gone } do
      assert.equal(key, a:get("g", key).body)
    end
    assert.equal(0, a:stop())
    assert(b:get("g", gone, { method = "DELETE" }))
    a = start(port[1], path)
    listed.wait(a, urls)
    assert.matches('msg="read" group=g items=1 ', a:log(), 1, true)
    assert.equal("main", a:get("g", kept).headers["x-cache"])
    assert.equal("local", a:get("g", gone).headers["x-cache"])
    assert.equal(1, listed.count(a, 'msg="ready"'))
  end)

  it("is not read if they do not become known", function()
    local path, port = tmp.dir() .. "/snapshot", ports.free()
    tmp.write(source, "http://127.0.0.1:" .. port .. "\n")
    a = start(port, path)
    assert.equal("k", a:get("g", "k").body)
    assert.equal(0, a:stop())
    assert(os.remove(source))
    a = listed.start("file:" .. source, { port = port, timeout = 60, script = a.script,
      args = { "--peers", "file:" .. source, "--peers-wait", "1", "--snapshot-path", path } })
    assert.matches("no peer knows all that was changed since", a:log(), 1, true)
    assert.equal("local", a:get("g", "k").headers["x-cache"])
  end)
end)
