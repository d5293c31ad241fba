-- SPDX-License-Identifier: MIT

-- LuaJIT does not see the bytes of a body that http gives with as_value. So it collected no garbage
-- for their sake: a node whose getters read such bodies in part took gigabytes.

local nginx = require "support.nginx"
local node = require "support.node"
local rig = require "node.rig"
local tmp = require "support.tmp"

local MB = 1024 * 1024
local SIZE, GETS, VM_BYTES = 7 * MB, 70, 64 * MB

local SCRIPT = [[
local groupcache = require "groupcache"
local http = require "groupcache.http"
groupcache.group("parts", { getter = function()
  return assert(http.get(os.getenv "ORIGIN" .. "/large", { as_value = true })).body:sub(1, 3)
end })
]]

describe("bodies outside of the VM", function()
  local it_measures = (os.getenv "SAN" or os.getenv "GROUPCACHED_WRAP") and pending or it

  it_measures("are collected before they take more than a VM's heap", function()
    local root = tmp.dir() .. "/"
    tmp.write(root .. "large", ("x"):rep(SIZE))
    local origin = nginx.start { root = root }
    local n = node.start { script = SCRIPT, env = { ORIGIN = origin.url },
      args = { "--workers", 1, "--vm-bytes", VM_BYTES } }
    finally(function()
      rig.stop(n)
      origin:stop()
    end)
    for i = 1, GETS do
      assert.equal("xxx", n:get("parts", tostring(i)).body)
    end
    local text = tmp.read(("/proc/%d/status"):format(n.process.pid))
    local most = text:match "VmHWM:%s*(%d+) kB" * 1024
    assert.is_true(most < SIZE * GETS / 2 and most < 4 * VM_BYTES, most)
  end)
end)
