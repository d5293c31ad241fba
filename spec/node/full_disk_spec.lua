-- SPDX-License-Identifier: MIT

-- A snapshot on a disk that is full: a small tmpfs. It loses nothing but itself.

local eventually = require "support.eventually"
local node = require "support.node"
local process = require "support.process"
local rig = require "node.rig"
local tmp = require "support.tmp"

local KB = 1024
local DISK = 1024 * KB -- of which the journal takes 384 KB

local SCRIPT = [[
require("groupcache").group("g", { max_value_bytes = 2^20, getter = function(key)
  rig.record(key)
  if key:find "large" then return key .. ("x"):rep(200000) end
  return key
end })
]]

local function execute(fmt, ...)
  return process.run({ "sh", "-c", fmt:format(...) }).code == 0
end

describe("a full disk", function()
  local r, disk, nodes, mounted

  before_each(function()
    r, nodes, disk = rig.new(), {}, tmp.dir()
    mounted = execute("mount -t tmpfs -o size=%d tmpfs %s", DISK, disk)
  end)

  after_each(function()
    rig.stop_all(nodes)
    if mounted then
      assert.is_true(execute("umount %s", disk), "the disk is unmounted")
    end
  end)

  local function with_disk(fn)
    return function()
      if not mounted then
        pending "SKIPPED: no file system can be mounted here, which takes root"
        return
      end
      fn()
    end
  end

  local function start(opts)
    local o = { script = r:script(SCRIPT), args = { "--snapshot-path", disk .. "/snapshot",
      "--snapshot-every", 0.05, "--workers", 1 } }
    for name, value in pairs(opts or {}) do
      o[name] = value
    end
    local n = node.start(o)
    nodes[#nodes + 1] = n
    return n
  end

  local function logs(n, text)
    local _, before = n:log():gsub(text, "")
    eventually(function() return select(2, n:log():gsub(text, "")) >= before + 2 end, 20, text)
  end

  local function get(n, key)
    return assert(n:get("g", key)).body
  end

  local function fill()
    execute("dd if=/dev/zero of=%s/other bs=1k count=%d", disk, 2 * DISK / KB) -- as much as fits
    assert.is_true(execute("test -s %s/other", disk))
  end

  it("leaves the last whole snapshot, and the node serves on", with_disk(function()
    local n = start()
    for i = 1, 20 do
      get(n, "k" .. i)
    end
    logs(n, 'msg="written"')
    for i = 1, 8 do
      get(n, "large" .. i)
    end
    logs(n, 'msg="not written: the file stays as it was" error="[^\n]*No space left on device')
    assert.is_false(execute("test -e %s/snapshot.new", disk)) -- half of one takes no room
    assert.equal("large1" .. ("x"):rep(200000), get(n, "large1"))
    assert.equal(0, n:stop()) -- though its last snapshot fails, too
    local again = start { port = n.port }
    assert.matches('msg="read" group=g items=%d', again:log())
    local before = r:total()
    for i = 1, 20 do
      assert.equal("k" .. i, get(again, "k" .. i))
    end
    assert.equal(before, r:total())
  end))

  it("that has room again takes the next snapshot", with_disk(function()
    local n = start()
    get(n, "k")
    logs(n, 'msg="written"')
    fill()
    for i = 1, 300 do
      get(n, "key-" .. i)
    end
    logs(n, 'msg="not written')
    os.remove(disk .. "/other")
    logs(n, 'msg="written" items=[34]%d%d ') -- a growing table has some of them twice
  end))

  it("without room for the journal ends the start, which says why", with_disk(function()
    fill()
    local n = start { ready = false }
    assert.equal(1, n.process:wait(10))
    assert.matches("snapshot_path: " .. disk .. "/snapshot.changes: No space left on device",
      n:log(), 1, true)
  end))
end)
